"""Calls of scipy and scikit-learn."""

from __future__ import annotations

import numpy as np

from ksrpc.expose import load_presets
from tests.everyday.call import Call, call
from tests.helpers.census import find

ONE = np.array([2.1, 2.5, 1.9, 2.8, 3.0, 2.2, 2.7, 2.4])
OTHER = np.array([2.0, 2.6, 1.7, 2.9, 3.3, 2.1, 2.5, 2.6])
MATRIX = np.array([[4.0, 1.0], [1.0, 3.0]])
TRUE = np.array([0, 1, 1, 0, 1, 0])
SAID = np.array([0, 1, 0, 0, 1, 1])
SCORE = np.array([0.1, 0.8, 0.4, 0.3, 0.9, 0.6])

#: Distribution → its shapes.
SHAPES: dict[str, tuple[float, ...]] = {
    **dict.fromkeys(
        ["norm", "expon", "uniform", "cauchy", "laplace", "logistic", "gumbel_r", "gumbel_l", "rayleigh"], ()
    ),
    **{"t": (5,), "chi2": (3,), "f": (2, 9), "lognorm": (0.5,), "gamma": (2.0,), "beta": (2, 3), "weibull_min": (1.5,)},
    **{"pareto": (2.5,), "skewnorm": (1.5,), "binom": (10, 0.4), "poisson": (3.0,), "geom": (0.3,), "nbinom": (5, 0.4)},
    **{"bernoulli": (0.3,), "hypergeom": (20, 7, 12), "randint": (1, 7)},
}
_OF_SHAPES = ("mean", "median", "std", "var", "stats", "entropy")
_PROBABILITIES = ("ppf", "isf", "interval")


def of_distributions() -> list[Call]:
    """Call each open function of each distribution once."""
    calls = []
    for path in load_presets()["scipy"].names:
        name, _, method = path.removeprefix("scipy.stats.").rpartition(".")
        if name in SHAPES:
            first = () if method in _OF_SHAPES else (0.9 if method in _PROBABILITIES else 2,)
            calls.append(call(path, *first, *SHAPES[name]))
    return calls


def of_ufuncs() -> list[Call]:
    """Call each open function of scipy.special once, with one to five numbers."""
    numbers = (0.5, 0.25, 0.75, 1.5, 2.5)
    found = [(path, find(path)) for path in load_presets()["scipy"].names if path.startswith("scipy.special.")]
    return [call(path, *numbers[: item.nin]) for path, item in found if isinstance(item, np.ufunc)]


CALLS = [
    call("scipy.stats.norm.cdf", 1.96),
    call("scipy.stats.norm.ppf", [0.025, 0.975]),
    call("scipy.stats.norm.pdf", ONE, loc=2.0, scale=0.5),
    call("scipy.stats.norm.interval", 0.95, loc=0, scale=1),
    call("scipy.stats.t.ppf", 0.975, 10),
    call("scipy.stats.t.sf", 2.0, df=7),
    call("scipy.stats.chi2.sf", 3.84, 1),
    call("scipy.stats.f.cdf", 3.0, 2, 10),
    call("scipy.stats.lognorm.pdf", 1.5, 0.5),
    call("scipy.stats.binom.pmf", 3, 10, 0.5),
    call("scipy.stats.poisson.cdf", 2, 3.5),
    call("scipy.stats.expon.stats", moments="mv"),
    call("scipy.stats.describe", ONE),
    call("scipy.stats.zscore", ONE),
    call("scipy.stats.skew", ONE),
    call("scipy.stats.kurtosis", ONE),
    call("scipy.stats.mode", [1, 2, 2, 3]),
    call("scipy.stats.iqr", ONE),
    call("scipy.stats.sem", ONE),
    call("scipy.stats.gmean", ONE),
    call("scipy.stats.hmean", ONE),
    call("scipy.stats.trim_mean", ONE, 0.1),
    call("scipy.stats.rankdata", ONE),
    call("scipy.stats.percentileofscore", ONE, 2.5),
    call("scipy.stats.pearsonr", ONE, OTHER),
    call("scipy.stats.spearmanr", ONE, OTHER),
    call("scipy.stats.kendalltau", ONE, OTHER),
    call("scipy.stats.linregress", ONE, OTHER),
    call("scipy.stats.theilslopes", ONE, OTHER),
    call("scipy.stats.ttest_1samp", ONE, 2.0),
    call("scipy.stats.ttest_ind", ONE, OTHER, equal_var=False),
    call("scipy.stats.ttest_rel", ONE, OTHER),
    call("scipy.stats.ttest_ind_from_stats", 2.0, 0.5, 20, 2.2, 0.6, 25),
    call("scipy.stats.f_oneway", ONE, OTHER),
    call("scipy.stats.kruskal", ONE, OTHER),
    call("scipy.stats.mannwhitneyu", ONE, OTHER),
    call("scipy.stats.wilcoxon", ONE, OTHER),
    call("scipy.stats.ks_2samp", ONE, OTHER),
    call("scipy.stats.shapiro", ONE),
    call("scipy.stats.normaltest", np.tile(ONE, 3)),
    call("scipy.stats.jarque_bera", ONE),
    call("scipy.stats.levene", ONE, OTHER),
    call("scipy.stats.chisquare", [16, 18, 16, 14]),
    call("scipy.stats.entropy", [0.2, 0.3, 0.5]),
    call("scipy.stats.wasserstein_distance", ONE, OTHER),
    call("scipy.stats.median_abs_deviation", ONE),
    call("scipy.stats.boxcox", ONE, 0.5),
    call("scipy.stats.combine_pvalues", [0.01, 0.2]),
    call("scipy.linalg.inv", MATRIX),
    call("scipy.linalg.det", MATRIX),
    call("scipy.linalg.solve", MATRIX, [1.0, 2.0], assume_a="sym"),
    call("scipy.linalg.lstsq", np.column_stack([np.ones(8), ONE]), OTHER),
    call("scipy.linalg.eigh", MATRIX),
    call("scipy.linalg.eigvals", MATRIX),
    call("scipy.linalg.svd", MATRIX),
    call("scipy.linalg.qr", MATRIX),
    call("scipy.linalg.cholesky", MATRIX, lower=True),
    call("scipy.linalg.lu", MATRIX),
    call("scipy.linalg.expm", MATRIX),
    call("scipy.linalg.sqrtm", MATRIX),
    call("scipy.linalg.norm", MATRIX),
    call("scipy.linalg.pinv", MATRIX),
    call("scipy.linalg.toeplitz", [1.0, 2.0, 3.0]),
    call("scipy.linalg.subspace_angles", np.eye(3)[:, :2], np.ones((3, 1))),
    call("scipy.linalg.null_space", np.array([[1.0, 1.0], [1.0, 1.0]])),
    call("scipy.special.erf", ONE),
    call("scipy.special.gamma", 5.0),
    call("scipy.special.gammaln", ONE),
    call("scipy.special.beta", 2.0, 3.0),
    call("scipy.special.expit", ONE),
    call("scipy.special.logit", 0.3),
    call("scipy.special.ndtri", 0.975),
    call("scipy.special.logsumexp", ONE),
    call("scipy.special.softmax", ONE),
    call("scipy.special.xlogy", 0.0, 0.0),
    call("scipy.special.j0", ONE),
    call("scipy.integrate.trapezoid", ONE),
    call("scipy.integrate.simpson", ONE, dx=0.5),
    call("scipy.integrate.cumulative_trapezoid", ONE, initial=0),
    call("sklearn.metrics.r2_score", ONE, OTHER),
    call("sklearn.metrics.mean_squared_error", ONE, OTHER),
    call("sklearn.metrics.mean_absolute_error", ONE, OTHER),
    call("sklearn.metrics.mean_absolute_percentage_error", ONE, OTHER),
    call("sklearn.metrics.root_mean_squared_error", ONE, OTHER),
    call("sklearn.metrics.median_absolute_error", ONE, OTHER),
    call("sklearn.metrics.max_error", ONE, OTHER),
    call("sklearn.metrics.explained_variance_score", ONE, OTHER),
    call("sklearn.metrics.accuracy_score", TRUE, SAID),
    call("sklearn.metrics.precision_score", TRUE, SAID),
    call("sklearn.metrics.recall_score", TRUE, SAID),
    call("sklearn.metrics.f1_score", TRUE, SAID),
    call("sklearn.metrics.roc_auc_score", TRUE, SCORE),
    call("sklearn.metrics.roc_curve", TRUE, SCORE),
    call("sklearn.metrics.precision_recall_curve", TRUE, SCORE),
    call("sklearn.metrics.average_precision_score", TRUE, SCORE),
    call("sklearn.metrics.auc", [0.0, 0.5, 1.0], [0.0, 0.7, 1.0]),
    call("sklearn.metrics.brier_score_loss", TRUE, SCORE),
    call("sklearn.metrics.ndcg_score", [[3, 2, 1]], [[0.9, 0.8, 0.1]]),
    call("sklearn.metrics.dcg_score", [[3, 2, 1]], [[0.9, 0.8, 0.1]]),
    call("sklearn.metrics.det_curve", TRUE, SCORE),
    call("sklearn.metrics.fbeta_score", TRUE, SAID, beta=0.5),
    call("sklearn.metrics.hamming_loss", TRUE, SAID),
    call("sklearn.metrics.jaccard_score", TRUE, SAID),
    call("sklearn.metrics.zero_one_loss", TRUE, SAID),
    call("sklearn.metrics.precision_recall_fscore_support", TRUE, SAID, average="macro"),
    call("sklearn.metrics.d2_pinball_score", ONE, OTHER, alpha=0.4),
    call("sklearn.metrics.root_mean_squared_log_error", ONE, OTHER),
    call("sklearn.metrics.mean_gamma_deviance", ONE, OTHER),
    call("sklearn.metrics.mean_poisson_deviance", ONE, OTHER),
    call("sklearn.metrics.mean_tweedie_deviance", ONE, OTHER, power=1.5),
    call("sklearn.metrics.euclidean_distances", MATRIX),
    call("sklearn.preprocessing.scale", MATRIX),
    call("sklearn.preprocessing.minmax_scale", MATRIX),
    call("sklearn.preprocessing.robust_scale", MATRIX),
    call("sklearn.preprocessing.normalize", MATRIX, norm="l2"),
    call("sklearn.preprocessing.quantile_transform", ONE.reshape(-1, 1), n_quantiles=4),
    call("sklearn.preprocessing.power_transform", ONE.reshape(-1, 1)),
    call("sklearn.preprocessing.binarize", MATRIX, threshold=2.0),
    call("sklearn.model_selection.train_test_split", np.arange(10), test_size=0.3, random_state=0),
]
