import cityfolk


def test_every_public_name_resolves():
    for name in cityfolk.__all__:
        assert getattr(cityfolk, name).__name__ == name


def test_the_version_is_the_packages():
    from importlib.metadata import version

    assert cityfolk.__version__ == version("cityfolk")
