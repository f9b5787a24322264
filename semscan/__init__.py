"""Screen scientific PDFs for AI-generated electron micrographs."""
