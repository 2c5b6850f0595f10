"""Scores of trained models: of a case, of a run, of runs against each other."""

from tf_diffseg._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "METRICS": "metric_columns",
        "CaseScorer": "case_scorer",
        "CaseScores": "case_scores",
        "CaseVolumes": "case_scores",
        "StrategyScores": "strategy_scores",
        "Targets": "targets",
        "WindowAgreement": "window_agreement",
        "compare": "run_comparison",
        "foreground_mean": "means",
        "metric_values": "metric_columns",
        "nan_mean": "means",
        "read_values": "results_folder",
        "summarize": "evaluation_summary",
        "targets_of": "targets",
    },
)
