"""Everything that touches a PDF, inside killable worker processes."""
