"""Run time: from documents to records. Needs numpy, pillow, pymupdf and one inference runtime, nothing else."""
