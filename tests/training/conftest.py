"""Small passes are quickest on one thread, above all where several tests run beside each other."""

import os

import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when the Hugging Face client is first imported, by a test


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """Restored afterwards: other tests of the same process may want more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
