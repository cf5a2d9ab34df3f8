"""Every case by every way, between environments with different pandas, numpy and Python."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fidelity.cases import CASES
from tests.fidelity.environment import ENVIRONMENTS, gateway_of, interpreter, run_cases

pytestmark = pytest.mark.timeout(300)  # the first test waits for all processes, which may share two cores with others

#: Environments of the server and of the client: each with each.
SIDES = ["new", "old"]
WAYS = {"codec", "http result", "http argument", "websocket result", "websocket argument"}

#: Name of a case → way → what is wrong.
Answers = dict[str, dict[str, str]]


def _serve(server: str, folder: Path) -> dict[str, Answers]:
    """Run all cases against a gateway in one environment, in one process of each environment."""
    with gateway_of(server, folder / f"gateway {server}") as gateway:
        return {
            f"{client} client, {server} server": run_cases(
                client, folder / f"{client} {server}.json", "call", gateway.url
            )
            for client in SIDES
            if ENVIRONMENTS[client].exists()
        }


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answers]:
    """Run every pairing of the environments that are there; each test looks at one case."""
    folder = tmp_path_factory.mktemp("pairings")
    servers = [server for server in SIDES if ENVIRONMENTS[server].exists()]
    with ThreadPoolExecutor(len(servers)) as pool:
        told = pool.map(lambda server: _serve(server, folder), servers)
        return {pairing: found for part in told for pairing, found in part.items()}


@pytest.mark.parametrize("name", CASES)
def test_it_arrives_as_it_was(answers: dict[str, Answers], name: str) -> None:
    wrong = []
    for pairing, found in answers.items():
        answer = dict(found[name])
        lacks = answer.pop("lacks", "")
        assert lacks in CASES[name].needs
        assert lacks or answer.keys() == WAYS
        wrong += [f"{pairing}, {way}: {told}" for way, told in answer.items() if told]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("client", SIDES)
@pytest.mark.parametrize("server", SIDES)
def test_hundreds_of_cases_went_every_way(answers: dict[str, Answers], client: str, server: str) -> None:
    interpreter(client)
    interpreter(server)
    found = answers[f"{client} client, {server} server"]
    assert sum(answer.keys() == WAYS for answer in found.values()) >= 450
    assert found.keys() == CASES.keys()
