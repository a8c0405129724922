"""Options of the tests."""


def pytest_addoption(parser):
    parser.addoption(
        "--record-arenas", action="store_true", help="record the bytes of arenas (tests/golden/arena/sizes.json)"
    )
