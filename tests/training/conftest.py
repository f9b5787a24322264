import pytest
from small_data import small_data

__all__ = ["small_data"]


@pytest.fixture
def one_thread():
    """Bit-equal trainings are promised for the same number of threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
