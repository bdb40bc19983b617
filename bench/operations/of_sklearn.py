"""Operations of scikit-learn: trees, clusters, linear models, kernels, neighbors, decompositions."""

# ruff: noqa: N806 - X is scikit-learn's own name
from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import sklearn.cluster
import sklearn.datasets
import sklearn.decomposition
import sklearn.ensemble
import sklearn.feature_extraction.text
import sklearn.linear_model
import sklearn.metrics
import sklearn.mixture
import sklearn.naive_bayes
import sklearn.neighbors
import sklearn.preprocessing
import sklearn.svm
import sklearn.tree
from registry import SEED, operation

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    Timed = Callable[[], Any]

THREADS = int(os.environ["OMP_NUM_THREADS"])
# A split of a tree may fall to another of two features that are equally good: its score hardly differs.
SCORE = 0.03


def _classes(samples: int, features: int = 20) -> tuple[np.ndarray, np.ndarray]:
    X, y = sklearn.datasets.make_classification(
        samples, features, n_informative=8, n_redundant=2, class_sep=0.8, random_state=SEED
    )
    return X, y


def _blobs(samples: int, features: int = 8) -> np.ndarray:
    X, _ = sklearn.datasets.make_blobs(samples, features, centers=8, random_state=SEED)
    return X


@operation(rtol=SCORE)
def gradient_boosting() -> Timed:
    X, y = _classes(3000)
    make = sklearn.ensemble.HistGradientBoostingClassifier
    return lambda: make(max_iter=10, early_stopping=False, random_state=0).fit(X, y).score(X, y)


@operation(rtol=SCORE)
def random_forest() -> Timed:
    X, y = _classes(1000)
    make = sklearn.ensemble.RandomForestClassifier
    return lambda: make(n_estimators=10, random_state=0, n_jobs=THREADS).fit(X, y).score(X, y)


@operation(rtol=SCORE)
def decision_tree_regression() -> Timed:
    X, y = _classes(3000)
    return lambda: (
        sklearn.tree.DecisionTreeRegressor(max_depth=8, random_state=0)
        .fit(X, X[:, 0] + y)
        .score(X, X[:, 0] + y)
    )


@operation(rtol=SCORE)
def predict_with_trees() -> Timed:
    X, y = _classes(3000)
    model = sklearn.ensemble.ExtraTreesClassifier(n_estimators=20, random_state=0).fit(X, y)
    return lambda: model.predict_proba(X).mean(axis=0)


@operation(rtol=1e-3)
def k_means() -> Timed:
    X = _blobs(5000)
    return lambda: sklearn.cluster.KMeans(8, n_init=1, random_state=0).fit(X).inertia_


@operation(rtol=1e-3)
def k_means_elkan() -> Timed:
    X = _blobs(5000)
    return lambda: sklearn.cluster.KMeans(8, n_init=1, algorithm="elkan", random_state=0).fit(X).inertia_


@operation()
def density_clusters() -> Timed:
    X = _blobs(1500, 3)
    return lambda: sklearn.cluster.DBSCAN(eps=1.0, min_samples=5).fit(X).labels_


@operation(rtol=1e-6)
def agglomerative_clusters() -> Timed:
    X = _blobs(600)
    return lambda: sklearn.cluster.AgglomerativeClustering(8, linkage="ward").fit(X).children_


@operation(rtol=1e-6, linear_algebra=True, view=abs)
def principal_components() -> Timed:
    X, _ = _classes(1000, 100)
    return lambda: sklearn.decomposition.PCA(5, svd_solver="full").fit(X).components_


@operation(rtol=1e-2)
def matrix_factorization() -> Timed:
    X = abs(_classes(400, 50)[0])
    return lambda: sklearn.decomposition.NMF(5, init="nndsvda", max_iter=50, tol=0).fit(X).reconstruction_err_


@operation(rtol=1e-3)
def support_vectors() -> Timed:
    X, y = _classes(800)
    return lambda: sklearn.svm.SVC().fit(X, y).decision_function(X[:50])


@operation(rtol=1e-2)
def support_vectors_linear() -> Timed:
    X, y = _classes(1000)
    return lambda: sklearn.svm.LinearSVC(random_state=0, tol=1e-3).fit(X, y).coef_


@operation(rtol=1e-3)
def logistic_regression() -> Timed:
    X, y = _classes(5000)
    return lambda: sklearn.linear_model.LogisticRegression(max_iter=200).fit(X, y).coef_


@operation(rtol=1e-6, linear_algebra=True)
def linear_regression() -> Timed:
    X, y = _classes(3000, 60)
    return lambda: sklearn.linear_model.LinearRegression().fit(X, y).predict(X[:100])


@operation(rtol=1e-5)
def lasso() -> Timed:
    X, y = _classes(2000, 60)
    return lambda: sklearn.linear_model.Lasso(alpha=0.001).fit(X, y).coef_


@operation(rtol=1e-3)
def gradient_descent() -> Timed:
    X, y = _classes(3000)
    return lambda: sklearn.linear_model.SGDClassifier(max_iter=10, tol=None, random_state=0).fit(X, y).coef_


@operation()
def neighbors_in_tree() -> Timed:
    X = _blobs(3000, 4)
    model = sklearn.neighbors.NearestNeighbors(n_neighbors=5, algorithm="kd_tree").fit(X)
    return lambda: model.kneighbors(X)[0]


@operation(rtol=1e-5)
def neighbors_by_brute_force() -> Timed:
    X = _blobs(2000, 30)
    model = sklearn.neighbors.NearestNeighbors(n_neighbors=5, algorithm="brute").fit(X)
    return lambda: model.kneighbors(X)[0][:, 1:]


@operation(rtol=1e-3)
def gaussian_mixture() -> Timed:
    X = _blobs(2000, 4)
    return lambda: sklearn.mixture.GaussianMixture(4, max_iter=20, tol=0, random_state=0).fit(X).lower_bound_


@operation()
def count_words() -> Timed:
    texts = [" ".join(f"word{(each * other) % 997}" for other in range(30)) for each in range(1000)]
    return lambda: sklearn.feature_extraction.text.TfidfVectorizer().fit_transform(texts)


@operation(rtol=1e-6)
def scale_and_expand() -> Timed:
    X, _ = _classes(5000)
    expand = sklearn.preprocessing.PolynomialFeatures(2)
    return lambda: expand.fit_transform(sklearn.preprocessing.StandardScaler().fit_transform(X))


@operation()
def naive_bayes() -> Timed:
    X, y = _classes(10_000)
    return lambda: sklearn.naive_bayes.GaussianNB().fit(X, y).predict_proba(X)


@operation()
def area_under_curve() -> Timed:
    X, y = _classes(50_000, 15)
    return lambda: sklearn.metrics.roc_auc_score(y, X[:, 0])
