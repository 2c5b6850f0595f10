"""DDIM, sampling with a chosen amount of noise (Song et al. 2020, arXiv 2010.02502)."""

import numpy as np

from tf_diffseg.diffusion.precision import as_floats, at_step
from tf_diffseg.diffusion.sampler import Sampler


class DDIMSampler(Sampler):
    """Steps along the predicted noise, equation 12; draws no noise if eta is 0.

    Attributes:
        eta: standard deviation of the drawn noise, as a share of DDPM's.
        sigma: float64 array of shape [num_timesteps], that standard deviation.

    Example:
        >>> sampler = DDIMSampler(GaussianDiffusion(num_timesteps=5), eta=0.0)
        >>> x_T = initial_noise([0], [1, 8, 8, 8, 2])
        >>> sampler.sample(lambda x_t, t_index: tf.sign(x_t), x_T).shape
        TensorShape([1, 8, 8, 8, 2])
    """

    def __init__(self, diffusion, eta=0.0, clip_x_start=True):
        """Computes the steps' standard deviations, equation 16.

        Args:
            diffusion: a `GaussianDiffusion`.
            eta: from 0, the deterministic sampler, to 1, the variance of DDPM.
            clip_x_start: see `Sampler`.

        Raises:
            ValueError: if eta is outside [0, 1].
        """
        if not 0.0 <= eta <= 1.0:
            raise ValueError(f"eta must be in [0, 1], got {eta}")
        super().__init__(diffusion, clip_x_start)
        self.eta = eta
        alphas_cumprod = diffusion.alphas_cumprod
        alphas_cumprod_prev = diffusion.alphas_cumprod_prev
        self.sigma = (
            eta
            * np.sqrt((1.0 - alphas_cumprod_prev) / (1.0 - alphas_cumprod))
            * np.sqrt(1.0 - alphas_cumprod / alphas_cumprod_prev)
        )

    @property
    def options(self):
        """See `Sampler.options`; always has eta."""
        return {"eta": self.eta, **super().options}

    @property
    def draws_noise(self):
        """Whether eta is positive."""
        return self.eta > 0.0

    def step(self, model_out, x_t, t_index, noise=None):
        """Goes from x_t to x_(t-1), see `Sampler.step`."""
        model_out, x_t = as_floats(model_out, x_t)
        x_start = self.predict_x_start(model_out, x_t, t_index)
        # From x_start, not model_out: they no longer agree if x_start was clipped.
        predicted_noise = self.diffusion.predict_noise_from_x_start(
            x_t, x_start, t_index
        )
        alphas_cumprod_prev = self.diffusion.alphas_cumprod_prev
        signal = np.sqrt(alphas_cumprod_prev)
        # Rounding may make this slightly negative if eta is 1.
        direction = np.sqrt(np.maximum(1.0 - alphas_cumprod_prev - self.sigma**2, 0.0))
        x_prev = (
            at_step(signal, t_index, x_t) * x_start
            + at_step(direction, t_index, x_t) * predicted_noise
        )
        if not self.draws_noise:
            return x_prev
        self._check_noise(noise)
        x_prev, noise = as_floats(x_prev, noise)
        return x_prev + at_step(self.sigma, t_index, x_t) * noise
