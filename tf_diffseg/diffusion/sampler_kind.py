"""The choice of a sampler by name."""

import enum

from tf_diffseg.diffusion.ddim_sampler import DDIMSampler
from tf_diffseg.diffusion.ddpm_sampler import DDPMSampler


class SamplerKind(enum.Enum):
    """DDPM draws noise at every step; DDIM draws none where eta is 0."""

    DDPM = "ddpm"
    DDIM = "ddim"

    def build(self, diffusion, eta=0.0):
        """A sampler of this kind.

        Args:
            diffusion: a `GaussianDiffusion`.
            eta: of `DDIMSampler`; DDPM has none.

        Returns:
            A `Sampler`.

        Raises:
            ValueError: eta is outside [0, 1], or given for DDPM.
        """
        if self is SamplerKind.DDIM:
            return DDIMSampler(diffusion, eta)
        if eta:
            raise ValueError(f"eta belongs to sampler=ddim, got {eta} with ddpm")
        return DDPMSampler(diffusion)
