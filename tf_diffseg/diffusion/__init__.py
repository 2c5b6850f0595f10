"""Diffusion on segmentation masks: schedules, the Gaussian process, samplers.

TensorFlow and numpy only. Importing this package loads neither; a name loads its
module on first use.
"""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "BetaSchedule": "beta_schedule",
        "DDIMSampler": "ddim_sampler",
        "DDPMSampler": "ddpm_sampler",
        "EarlyExitSampler": "early_exit_sampler",
        "GaussianDiffusion": "gaussian_diffusion",
        "GaussianMoments": "gaussian_diffusion",
        "MaskEncoding": "choices",
        "ModelOutput": "model_parameterization",
        "ModelVariance": "model_parameterization",
        "Sampler": "sampler",
        "SAMPLERS": "samplers",
        "TimestepSampler": "timestep_sampler",
        "TimestepSampling": "choices",
        "derived_seeds": "noise",
        "get_betas": "beta_schedule",
        "get_sampler": "samplers",
        "identifier_of": "samplers",
        "initial_noise": "noise",
        "kept_steps": "respacing",
        "label_to_mask": "mask_encoding",
        "label_to_region_mask": "mask_encoding",
        "probabilities_to_label": "mask_encoding",
        "logits_to_probabilities": "mask_encoding",
        "logits_to_x_start": "mask_encoding",
        "mask_to_x_start": "mask_encoding",
        "normal_per_example": "noise",
        "resample_alphas_cumprod": "respacing",
        "uniform_per_example": "noise",
        "x_start_to_probabilities": "mask_encoding",
    },
)
