"""The rollouts of one generation step as estimators see them: whole groups, whichever process drew their members."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from hista_repro.rollouts.decoding import Decoder
from hista_repro.rollouts.group import HiddenStates, RolloutGroup


@dataclass(frozen=True)
class Rollout:
    """One completion that this process drew."""

    prompt: tuple[int, ...]
    written: tuple[int, ...]
    """Tokens of the completion without the end-of-sequence token."""
    actions: int
    """Tokens that were sampled: one more than `written` where the completion ended itself."""
    reward: float


class Reader(Protocol):
    """What can be asked about the rollouts of this process; all of them are read in one go. See `PolicyReader`."""

    def hidden(self, layer: int) -> list[tuple[Tensor, Tensor]]: ...

    def entropies(self) -> list[Tensor]: ...

    def score_powers(self) -> list[Tensor]: ...

    def draws(self, count: int) -> list[dict[int, Tensor]]: ...

    def release(self) -> None: ...


class RolloutBatch:
    """Groups of `group_size` rollouts from the rows of all processes, taken in order of processes.

    Where every process holds whole groups, each builds its own and nothing is sent, unless `everywhere` asks for all groups on all of
    them. Otherwise rows go to all processes, and what `reader` gives when it is first asked for. All processes must therefore ask
    in the same order; estimators that run everywhere alike do.
    """

    def __init__(
        self,
        rows: Sequence[Rollout],
        group_size: int,
        accelerator: Accelerator,
        reader: Reader,
        decoder: Decoder,
        *,
        name: str,
        everywhere: bool = False,
    ) -> None:
        self._sends = accelerator.num_processes > 1 and (everywhere or len(rows) % group_size != 0)
        gathered = gather_object(list(rows)) if self._sends else list(rows)
        offset = accelerator.process_index * len(rows) if self._sends else 0
        first = 0 if everywhere else offset // group_size * group_size
        end = len(gathered) if everywhere else -(-(offset + len(rows)) // group_size) * group_size
        self.rows: list[Rollout] = gathered[first:end]
        """The rollouts of all groups that this process has a part in (of all groups if `everywhere`), group after group."""
        self.local = slice(offset - first, offset - first + len(rows))
        """Which of `rows` are this process's own."""
        self.group_size = group_size
        self._first = first
        self._reader = reader
        self._found: dict[object, list] = {}
        starts = range(0, len(self.rows), group_size)
        self.groups: list[RolloutGroup] = [self._group(start, decoder, f"{name}/{(first + start) // group_size}") for start in starts]

    def release(self) -> None:
        """Let `reader` let go of the hidden states that it was shown, which groups that are kept would keep alive.

        Not before anything was asked: an estimator that learns asks nothing of a first group until there is a second.
        """
        if self._found:
            self._reader.release()

    def rows_of(self, number: int) -> list[Rollout]:
        """The rollouts of `groups[number]`."""
        return self.rows[number * self.group_size : (number + 1) * self.group_size]

    def _group(self, start: int, decoder: Decoder, name: str) -> RolloutGroup:
        rows = self.rows[start : start + self.group_size]
        texts, ends = zip(*(decoder(row.written) for row in rows), strict=True)
        return RolloutGroup(
            prompt_id=name,
            completions=texts,
            token_ends=ends,
            rewards_G=torch.tensor([row.reward for row in rows]),
            prompt_token_ids=rows[0].prompt,
            token_ids=tuple(row.written for row in rows),
            hidden_of=partial(self._hidden_of, start),
            entropies_of=partial(self._entropies_of, start),
            score_powers_of=partial(self._score_powers_of, start),
            continue_from=partial(self._continue_from, start),
        )

    def _hidden_of(self, start: int, layer: int) -> HiddenStates:
        rows = self._find(start, ("hidden", layer), partial(self._reader.hidden, layer))
        return HiddenStates(rows[0][0], tuple(completion for _, completion in rows))

    def _entropies_of(self, start: int) -> tuple[Tensor, ...]:
        return tuple(self._find(start, "entropies", self._reader.entropies))

    def _score_powers_of(self, start: int) -> tuple[Tensor, ...]:
        return tuple(self._find(start, "score powers", self._reader.score_powers))

    def _continue_from(self, start: int, i: int, t: int, count: int) -> Tensor:
        return self._find(start, ("draws", count), partial(self._reader.draws, count))[i][t]

    def _find(self, start: int, what: object, read: Callable[[], list]) -> list:
        """What `read` says of the rollouts of the group that starts at `start`; read once for all groups."""
        if what not in self._found:
            found = read()
            self._found[what] = gather_object(found)[self._first : self._first + len(self.rows)] if self._sends else found
        return self._found[what][start : start + self.group_size]
