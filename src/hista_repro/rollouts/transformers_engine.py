"""The transformers engine: runs wherever PyTorch runs.

Tokens are drawn with nothing but a temperature (no top-k, no top-p, no repetition penalty, whatever the model's own generation
configuration says), since a truncated distribution is not the policy whose value is being estimated.

What is shared between prompts is computed once. A batch is laid out as [common prefix | padding | rest of the prompt]: the prefix is read
and held once where the model allows it (see `shared_prefix`), and equal prompts, such as those of the continuations of one state, are read
once.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor
from transformers import DynamicCache

from hista_repro.errors import Refused
from hista_repro.models import load_model
from hista_repro.progress import Report, unheard
from hista_repro.rollouts.decoding import Decoder, encode_prompt, ends_of_sequence
from hista_repro.rollouts.engine import Completion, Request
from hista_repro.rollouts.group import HiddenStates
from hista_repro.rollouts.packed_linear import can_pack, pack
from hista_repro.rollouts.roomy_cache import RoomyCache
from hista_repro.rollouts.shared_prefix import SharedPrefixCache, can_share, shared_prefix
from hista_repro.rollouts.token_distributions import entropies, score_powers
from hista_repro.rollouts.writing import Written, write_on
from hista_repro.seeding import derive_seed


class TransformersEngine:
    """An `Engine` and a `Reader` over `transformers.AutoModelForCausalLM`.

    `batch_tokens` bounds rows times columns of one batch, prompt and completion together, and thereby memory. It decides which requests
    share a batch, so results are reproducible only for the same value.
    """

    def __init__(self, model: str, *, dtype: torch.dtype = torch.float32, device: str | None = None, batch_tokens: int = 1 << 15) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.batch_tokens = batch_tokens
        self.model, self.tokenizer = load_model(model, dtype=dtype)
        self.model.to(self.device)
        if can_pack(self.model):
            pack(self.model)
        self.report: Report = unheard
        self.context: int | None = getattr(self.model.config, "max_position_embeddings", None)
        self._shares = can_share(self.model)
        eos = self._eos = ends_of_sequence(self.model.generation_config, self.tokenizer)
        self._decoder = Decoder(self.tokenizer, eos)
        if self.tokenizer.pad_token_id is None and not eos:
            raise Refused(f"the tokenizer of {model} has no token that pads or ends a sequence; give it a pad_token")
        self._pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else eos[0]

    def encode(self, text: str) -> tuple[int, ...]:
        """See `Engine.encode`."""
        return encode_prompt(self.tokenizer, text)

    @torch.inference_mode()
    def sample(
        self, requests: Sequence[Request], *, temperature: float, stop: Sequence[str], seed: int, keep_hidden: bool = False
    ) -> list[Completion]:
        """See `Engine.sample`. Requests with little read already, and so with much left to write, come first and share batches."""
        order = sorted(range(len(requests)), key=lambda r: len(requests[r].read))
        completions: dict[int, Completion] = {}
        for number, rows in enumerate(self._batches(order, requests)):
            batch = [requests[r] for r in rows]
            written = self._generate(batch, temperature, stop, derive_seed(seed, "batch", number), keep_hidden)
            for r, request, (ids, hidden_T_D) in zip(rows, batch, written, strict=True):
                completion = self._decoder.completion([*request.written, *ids], stop)
                if hidden_T_D is not None:
                    added = len(completion.token_ids) - len(request.written)
                    completion = replace(completion, hidden_T_D=hidden_T_D[:added].cpu())
                completions[r] = completion
        return [completions[r] for r in range(len(requests))]

    @torch.inference_mode()
    def hidden_states(self, prompt: Sequence[int], completions: Sequence[Sequence[int]], layer: int = -1) -> HiddenStates:
        """See `Reader.hidden_states`. The prompt is read once for all completions."""
        prefix, prompt_T_D = self._prefix(torch.tensor([list(prompt)], device=self.device), layer)
        found = [prompt_T_D.new_zeros(0, prompt_T_D.shape[1]) for _ in completions]
        width = len(prompt) + max(map(len, completions), default=0)
        rows_at_once = max(1, self.batch_tokens // width)
        written = [i for i, completion in enumerate(completions) if completion]
        for start in range(0, len(written), rows_at_once):
            rows = written[start : start + rows_at_once]
            longest = max(len(completions[i]) for i in rows)
            ids = torch.full((len(rows), longest), self._pad)
            mask = torch.zeros(len(rows), len(prompt) + longest, dtype=torch.long)
            for row, i in enumerate(rows):
                ids[row, : len(completions[i])] = torch.tensor(completions[i])
                mask[row, : len(prompt) + len(completions[i])] = 1
            with self._after(prefix, len(rows)) as cache:
                hidden = self._read(ids.to(self.device), mask.to(self.device), cache, layer)
            for row, i in enumerate(rows):
                found[i] = hidden[row, : len(completions[i])].clone()
        return HiddenStates(prompt_T_D, tuple(found))

    @torch.inference_mode()
    def entropies(self, prompt: Sequence[int], completions: Sequence[Sequence[int]], temperature: float) -> tuple[Tensor, ...]:
        """See `Reader.entropies`."""
        return tuple(entropies(logits_T_V).cpu() for logits_T_V in self._logits(prompt, completions, temperature))

    @torch.inference_mode()
    def score_powers(self, prompt: Sequence[int], completions: Sequence[Sequence[int]], temperature: float) -> tuple[Tensor, ...]:
        """See `Reader.score_powers`."""
        drawn_from = zip(self._logits(prompt, completions, temperature), completions, strict=True)
        return tuple(score_powers(logits_T_V, torch.tensor(list(ids), device=self.device).long()).cpu() for logits_T_V, ids in drawn_from)

    def _logits(self, prompt: Sequence[int], completions: Sequence[Sequence[int]], temperature: float) -> Iterator[Tensor]:
        """For one completion after the other (T_i, V) float32: what each of its tokens was drawn from."""
        hidden = self.hidden_states(prompt, completions)
        head = self.model.get_output_embeddings()
        for rows_T_D in hidden.completions:
            before_T_D = torch.cat([hidden.prompt_T_D[-1:], rows_T_D[:-1]]) if len(rows_T_D) else rows_T_D
            yield head(before_T_D.to(self.device, head.weight.dtype)).float() / temperature

    def _empty_cache(self) -> DynamicCache:
        return RoomyCache() if self._shares else DynamicCache(config=self.model.config)

    def _prefix(self, ids: Tensor, layer: int = -1) -> tuple[DynamicCache, Tensor]:
        """The cache of a prefix `ids` (1, P), and its hidden states of `layer` (P, D)."""
        cache = DynamicCache(config=self.model.config)
        return cache, self._read(ids, torch.ones_like(ids), cache, layer)[0]

    @contextmanager
    def _after(self, prefix: DynamicCache, rows: int) -> Iterator[DynamicCache]:
        """A cache for `rows` rows of which each has read what `prefix` holds."""
        if self._shares:
            with shared_prefix(self.model, prefix):
                yield SharedPrefixCache(prefix)
        else:
            copied = deepcopy(prefix)
            copied.batch_select_indices(torch.zeros(rows, dtype=torch.long, device=self.device))
            yield copied

    def _batches(self, order: Sequence[int], requests: Sequence[Request]) -> Iterator[list[int]]:
        rows: list[int] = []
        width = 0
        for r in order:
            own = len(requests[r].prompt) + requests[r].max_tokens
            needed = max(width, own)
            if rows and needed * (len(rows) + 1) > self.batch_tokens:
                yield rows
                rows, needed = [], own
            rows.append(r)
            width = needed
        if rows:
            yield rows

    def _generate(self, batch: Sequence[Request], temperature: float, stop: Sequence[str], seed: int, keep_hidden: bool) -> list[Written]:
        """What each row adds, a token that ends the sequence included."""
        prompts = sorted({request.read for request in batch})
        # where a layer sees the last so many columns alone, padding must not stand between columns that are read
        shared = min(_shared(prompts[0], prompts[-1]), min(map(len, prompts)) - 1) if self._shares else 0
        ids, mask = self._lay_out(prompts, shared)
        row_of = {prompt: row for row, prompt in enumerate(prompts)}
        rows = torch.tensor([row_of[request.read] for request in batch], device=self.device)
        prefix = self._prefix(ids[:1, :shared])[0] if shared else self._empty_cache()
        with self._after(prefix, len(prompts)) if shared else nullcontext(prefix) as cache:
            if ids.shape[1] - 1 > shared:
                self._read(ids[:, shared:-1], mask[:, :-1], cache)
            if cache.layers and cache.layers[0].is_initialized:
                cache.batch_select_indices(rows)
            return write_on(
                self.model,
                cache,
                ids[rows, -1],
                mask[rows],
                limits=[request.max_tokens - len(request.written) for request in batch],
                temperature=temperature,
                seed=seed,
                ends=self._decoder.watch(stop, [request.written for request in batch]),
                eos=self._eos,
                keep_hidden=keep_hidden,
                report=self.report,
            )

    def _lay_out(self, prompts: Sequence[Sequence[int]], prefix: int) -> tuple[Tensor, Tensor]:
        """Token ids and attention mask with the padding between the common prefix and the rest of each prompt."""
        width = max(map(len, prompts))
        ids = torch.full((len(prompts), width), self._pad)
        mask = torch.zeros(len(prompts), width, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            rest = width - (len(prompt) - prefix)
            ids[row, :prefix], ids[row, rest:] = torch.tensor(prompt[:prefix]), torch.tensor(prompt[prefix:])
            mask[row, :prefix] = mask[row, rest:] = 1
        return ids.to(self.device), mask.to(self.device)

    def _read(self, ids: Tensor, mask: Tensor, cache: DynamicCache, layer: int = -1) -> Tensor:
        """Run the model body over `ids` after what `cache` holds, extending it; hidden states of `layer` in float32 on the CPU."""
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        output = self.model.get_decoder()(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            output_hidden_states=layer != -1,
        )
        hidden = output.last_hidden_state if layer == -1 else output.hidden_states[layer]
        return hidden.float().cpu()


def _shared(first: Sequence[int], last: Sequence[int]) -> int:
    """How many leading tokens two prompts share; of the first and last in sorted order, how many all between them share."""
    return next((t for t, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
