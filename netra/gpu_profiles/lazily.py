"""The installed profiles, opened when an agent first asks for one: most agents never do."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netra.gpu_profiles.profiles import GpuProfiles, Profile


class InstalledProfiles:
    """`StepProfiles` of the installed package, or the refusal that names how to install it."""

    @cached_property
    def _opened(self) -> GpuProfiles:
        from netra.gpu_profiles.profiles import GpuProfiles

        return GpuProfiles()

    def step_times(
        self, model: str, gpu: str, *, tensor: int = 1, data: int = 1, weights: str = "as-named"
    ) -> Profile:
        """As `GpuProfiles.step_times`, of vLLM."""
        return self._opened.step_times(model, gpu, tensor=tensor, data=data, weights=weights)
