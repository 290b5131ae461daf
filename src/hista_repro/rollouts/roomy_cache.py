"""A cache of keys and values with room to spare: a step writes its own column and leaves the others where they are.

transformers' dynamic cache copies everything at every step, which on a CPU takes longer than the model of a step itself.
"""

from typing import Any

from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

_ROOM = 64
"""Columns that are added at least when there is no room left."""


class RoomyLayer(DynamicLayer):
    """One layer; its `keys` and `values` are views of the columns in use."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._rooms: list[Tensor | None] = [None, None]

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, self.values = self._append(0, self.keys, key_states), self._append(1, self.values, value_states)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        self._rooms = [None, None]  # or the rows that are left out would be held, too
        super().batch_select_indices(indices)

    def _append(self, which: int, held: Tensor, new: Tensor) -> Tensor:
        used = held.shape[-2] if held.numel() else 0
        total, room = used + new.shape[-2], self._rooms[which]
        # what is held is no longer a view of the room where something else changed it
        if room is None or (used and room.data_ptr() != held.data_ptr()) or room.shape[0] != new.shape[0] or room.shape[-2] < total:
            room = new.new_empty(*new.shape[:-2], total + max(_ROOM, total // 2), new.shape[-1])
            if used:
                room[..., :used, :] = held
            self._rooms[which] = room
        room[..., used:total, :] = new
        return room[..., :total, :]


class RoomyCache(DynamicCache):
    """For models of which every layer attends to everything before."""

    def __init__(self) -> None:
        super().__init__()
        self.layer_class_to_replicate = RoomyLayer
