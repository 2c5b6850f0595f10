"""The choice of a sampler by name."""

import enum

from tf_diffseg.diffusion.ddim_sampler import DDIMSampler
from tf_diffseg.diffusion.ddpm_sampler import DDPMSampler


class SamplerKind(enum.Enum):
    """DDPM draws noise at every step; DDIM draws none and follows the prediction."""

    DDPM = "ddpm"
    DDIM = "ddim"

    def build(self, diffusion):
        """A sampler of this kind.

        Args:
            diffusion: a `GaussianDiffusion`.

        Returns:
            A `Sampler`.
        """
        sampler_class = {
            SamplerKind.DDPM: DDPMSampler,
            SamplerKind.DDIM: DDIMSampler,
        }[self]
        return sampler_class(diffusion)
