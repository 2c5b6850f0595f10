"""DDPM, ancestral sampling (Ho et al. 2020, arXiv 2006.11239, algorithm 2)."""

import tensorflow as tf

from tf_diffseg.diffusion.model_parameterization import ModelVariance
from tf_diffseg.diffusion.precision import as_floats, at_step
from tf_diffseg.diffusion.sampler import Sampler


class DDPMSampler(Sampler):
    """Draws x_(t-1) from the reverse process p(x_(t-1) | x_t).

    Example:
        >>> sampler = DDPMSampler(GaussianDiffusion(num_timesteps=5))
        >>> x_T = initial_noise([0], [1, 8, 8, 8, 2])
        >>> sampler.sample(lambda x_t, t_index: tf.sign(x_t), x_T, seed=[1]).shape
        TensorShape([1, 8, 8, 8, 2])
    """

    def __init__(self, diffusion, clip_x_start=True):
        """Stores the diffusion.

        Args:
            diffusion: a `GaussianDiffusion`.
            clip_x_start: as for `Sampler`.

        Raises:
            ValueError: the variance is learned for the steps of training alone.
        """
        if diffusion.is_respaced and diffusion.model_variance is ModelVariance.LEARNED:
            raise ValueError(
                f"num_timesteps={diffusion.num_timesteps}: the variance is `learned` "
                f"for the {diffusion.num_timesteps_trained} steps of training; sample "
                "as many, use the sampler ddim, or train with learned_range"
            )
        super().__init__(diffusion, clip_x_start)

    @property
    def draws_noise(self):
        """True: every step but the last one adds noise."""
        return True

    def step(self, model_out, x_t, t_index, noise):
        """Goes from x_t to x_(t-1), see `Sampler.step`."""
        self._check_noise(noise)
        model_out, x_t, noise = as_floats(model_out, x_t, noise)
        model = self.diffusion.p_mean_variance(
            model_out, x_t, t_index, clip_x_start=self.clip_x_start
        )
        # The last step adds no noise, which would only blur the mask.
        is_noisy = [0.0] + [1.0] * (self.diffusion.num_timesteps - 1)
        sigma = at_step(is_noisy, t_index, x_t) * tf.exp(0.5 * model.log_variance)
        return model.mean + sigma * noise
