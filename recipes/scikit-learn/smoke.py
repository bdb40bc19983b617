"""scikit-learn computes: one estimator of each compiled kind, and OpenMP; and it can tell OpenBLAS how many threads to use."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.utils._openmp_helpers import _openmp_parallelism_enabled
from threadpoolctl import threadpool_info

features, labels = make_classification(n_samples=400, n_features=12, random_state=42)
for estimator in (
    LogisticRegression(),
    SVC(),
    KNeighborsClassifier(),
    RandomForestClassifier(n_estimators=20, random_state=42),
    HistGradientBoostingClassifier(max_iter=20, random_state=42),
):
    assert estimator.fit(features, labels).score(features, labels) > 0.8, estimator
assert np.unique(KMeans(n_clusters=3, n_init=2, random_state=42).fit_predict(features)).size == 3
assert PCA(n_components=2).fit_transform(features).shape == (400, 2)
assert _openmp_parallelism_enabled()

# Its threads each call BLAS with one thread. threadpoolctl, which sees to that, knows OpenBLAS by the name of the file:
# where it does not, a search of neighbours takes fifty times as long.
blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
found = [each["internal_api"] for each in threadpool_info()]
assert "openblas" in found or "openblas" not in blas, found
