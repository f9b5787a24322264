"""From image to panels, and what each panel is."""
