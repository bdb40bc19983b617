"""What most of the time of scikit-learn goes into: its estimators, on dense and on sparse data."""

import warnings

import numpy as np
import scipy.sparse
import sklearn.cluster
import sklearn.covariance
import sklearn.datasets
import sklearn.decomposition
import sklearn.ensemble
import sklearn.feature_extraction.text
import sklearn.inspection
import sklearn.isotonic
import sklearn.linear_model
import sklearn.manifold
import sklearn.metrics
import sklearn.mixture
import sklearn.model_selection
import sklearn.naive_bayes
import sklearn.neighbors
import sklearn.neural_network
import sklearn.preprocessing
import sklearn.svm
import sklearn.tree

warnings.simplefilter("ignore")
X, y = sklearn.datasets.make_classification(1500, 20, n_informative=8, n_redundant=2, random_state=1)
three = (y + (X[:, 0] > 0)).astype(int)
target = X[:, 0] + y
blobs, _ = sklearn.datasets.make_blobs(2000, 6, centers=8, random_state=1)
counts = np.abs(np.round(X)).astype(float)
sparse = scipy.sparse.csr_array(np.where(np.abs(X) > 1, X, 0))

# Trees.
for data in (X, X.astype(np.float32), sparse):
    for labels in (y, three):
        for make in (sklearn.tree.DecisionTreeClassifier, sklearn.tree.ExtraTreeClassifier):
            for criterion in ("gini", "entropy"):
                make(criterion=criterion, max_depth=8, random_state=0).fit(data, labels).predict_proba(data)
    for criterion in ("squared_error", "friedman_mse", "poisson"):
        sklearn.tree.DecisionTreeRegressor(max_depth=8, criterion=criterion, random_state=0).fit(
            data, np.abs(target)
        ).predict(data)
sklearn.tree.DecisionTreeRegressor(max_depth=3, criterion="absolute_error", random_state=0).fit(X[:200], target[:200])
for make in (sklearn.ensemble.RandomForestClassifier, sklearn.ensemble.ExtraTreesClassifier):
    make(10, random_state=0).fit(X, y).predict_proba(X)
sklearn.ensemble.RandomForestRegressor(10, random_state=0).fit(X, target).predict(X)
sklearn.ensemble.GradientBoostingClassifier(n_estimators=20, random_state=0).fit(X, y).predict(X)
sklearn.ensemble.GradientBoostingRegressor(n_estimators=20, random_state=0).fit(X, target).predict(X)
sklearn.ensemble.IsolationForest(n_estimators=20, random_state=0).fit(X).score_samples(X)
sklearn.ensemble.AdaBoostClassifier(n_estimators=5).fit(X, y)
holes = np.where(np.random.default_rng(1).random(X.shape) < 0.05, np.nan, X)
for labels in (y, three):
    for data in (X, holes):
        sklearn.ensemble.HistGradientBoostingClassifier(max_iter=20, early_stopping=False, random_state=0).fit(
            data, labels
        ).predict_proba(data)
sklearn.ensemble.HistGradientBoostingClassifier(max_iter=5, categorical_features=[0], random_state=0).fit(
    np.c_[three, X], y
).predict(np.c_[three, X])
for loss in ("squared_error", "absolute_error", "poisson", "gamma", "quantile"):
    model = sklearn.ensemble.HistGradientBoostingRegressor(max_iter=10, loss=loss, quantile=0.5, random_state=0)
    model.fit(X, np.abs(target) + 0.1).predict(X)
sklearn.inspection.partial_dependence(model, X[:200], [0])

# Clusters.
for data in (blobs, blobs.astype(np.float32)):
    for algorithm in ("lloyd", "elkan"):
        for _ in range(3):
            sklearn.cluster.KMeans(8, n_init=1, algorithm=algorithm, random_state=0).fit(data).predict(data)
    (
        sklearn.cluster.MiniBatchKMeans(8, n_init=1, random_state=0).fit(data),
        sklearn.cluster.BisectingKMeans(4, random_state=0).fit(data),
    )
    (
        sklearn.cluster.DBSCAN(eps=1.5).fit(data),
        sklearn.cluster.HDBSCAN(min_cluster_size=10, copy=True).fit(data[:600]),
        sklearn.cluster.Birch().fit(data[:600]),
    )
    for linkage in ("ward", "average", "complete", "single"):
        sklearn.cluster.AgglomerativeClustering(8, linkage=linkage).fit(data[:500])
    (
        sklearn.cluster.MeanShift(bandwidth=3).fit(data[:300]),
        sklearn.cluster.OPTICS().fit(data[:200]),
        sklearn.cluster.SpectralClustering(4, random_state=0).fit(data[:150]),
    )
(
    sklearn.cluster.KMeans(4, n_init=1, random_state=0).fit(sparse),
    sklearn.cluster.KMeans(4, n_init=1, algorithm="elkan", random_state=0).fit(sparse),
)
(
    sklearn.cluster.AgglomerativeClustering(4, connectivity=sklearn.neighbors.kneighbors_graph(blobs[:300], 5)).fit(
        blobs[:300]
    ),
    sklearn.cluster.AffinityPropagation(random_state=0).fit(blobs[:100]),
)

# Linear models.
for data in (X, sparse):
    for loss in ("hinge", "log_loss", "modified_huber"):
        sklearn.linear_model.SGDClassifier(loss=loss, max_iter=10, tol=None, random_state=0).fit(data, y).predict(data)
    for loss in ("squared_error", "huber", "epsilon_insensitive"):
        sklearn.linear_model.SGDRegressor(loss=loss, max_iter=10, tol=None, random_state=0).fit(data, target)
    for solver in ("lbfgs", "liblinear", "saga", "sag", "newton-cg"):
        sklearn.linear_model.LogisticRegression(solver=solver, max_iter=50).fit(data, y).predict_proba(data)
    (
        sklearn.linear_model.LogisticRegression(max_iter=50).fit(data, three),
        sklearn.linear_model.Ridge(solver="sag", max_iter=20).fit(data, target),
    )
    (
        sklearn.linear_model.Lasso(alpha=0.001).fit(data, target),
        sklearn.linear_model.ElasticNet(alpha=0.001).fit(data, target),
        sklearn.linear_model.LinearRegression().fit(data, target),
    )
(
    sklearn.linear_model.Lasso(alpha=0.001, precompute=True).fit(X, target),
    sklearn.linear_model.Lasso(alpha=0.001).fit(X.astype(np.float32), target),
    sklearn.linear_model.MultiTaskLasso(alpha=0.01).fit(X, np.c_[target, target]),
)
(
    sklearn.linear_model.LassoCV(cv=3).fit(X, target),
    sklearn.linear_model.Lars().fit(X, target),
    sklearn.linear_model.HuberRegressor().fit(X, target),
    sklearn.linear_model.PoissonRegressor().fit(X, np.abs(target)),
    sklearn.linear_model.BayesianRidge().fit(X, target),
)
(
    sklearn.linear_model.Perceptron(random_state=0).fit(X, y),
    sklearn.linear_model.RidgeCV().fit(X, target),
    sklearn.isotonic.IsotonicRegression().fit(X[:, 0], target),
    sklearn.linear_model.RANSACRegressor(random_state=0).fit(X, target),
    sklearn.linear_model.QuantileRegressor(alpha=0).fit(X[:150, :3], target[:150]),
)

# Kernels and neighbors.
for data in (X[:700], sparse[:700]):
    for kernel in ("rbf", "linear", "poly"):
        (
            sklearn.svm.SVC(kernel=kernel, random_state=0).fit(data, y[:700]).decision_function(data),
            sklearn.svm.SVR(kernel=kernel).fit(data[:300], target[:300]).predict(data),
        )
    (
        sklearn.svm.LinearSVC(random_state=0).fit(data, y[:700]),
        sklearn.svm.LinearSVC(random_state=0, dual=False).fit(data, y[:700]),
        sklearn.svm.LinearSVR(random_state=0).fit(data, target[:700]),
    )
(
    sklearn.svm.SVC(probability=True, random_state=0).fit(X[:300], three[:300]).predict_proba(X[:99]),
    sklearn.svm.OneClassSVM().fit(X[:300]),
    sklearn.svm.NuSVC().fit(X[:300], y[:300]),
)
for data in (blobs, blobs.astype(np.float32)):
    for algorithm in ("kd_tree", "ball_tree", "brute"):
        model = sklearn.neighbors.NearestNeighbors(n_neighbors=5, algorithm=algorithm).fit(data)
        for _ in range(2):
            model.kneighbors(data)
        model.radius_neighbors(data[:500], 1.0), model.kneighbors_graph(data[:300])
    for metric in ("euclidean", "manhattan", "cosine", "chebyshev", "minkowski"):
        (
            sklearn.metrics.pairwise_distances(data[:400], metric=metric),
            sklearn.metrics.pairwise_distances_argmin_min(data[:600], data[600:1200], metric=metric),
        )
    (
        sklearn.neighbors.KNeighborsClassifier().fit(data, (data[:, 0] > 0)).predict(data),
        sklearn.neighbors.KNeighborsClassifier(algorithm="brute").fit(data, (data[:, 0] > 0)).predict_proba(data),
    )
(
    sklearn.neighbors.KernelDensity().fit(blobs[:500]).score_samples(blobs[:500]),
    sklearn.neighbors.LocalOutlierFactor().fit(blobs),
    sklearn.neighbors.BallTree(np.radians(blobs[:300, :2]), metric="haversine").query(blobs[:99, :2]),
)
(
    sklearn.metrics.pairwise_distances(sparse[:200]),
    sklearn.metrics.pairwise_distances(sparse[:200], metric="manhattan"),
    sklearn.neighbors.NearestNeighbors(algorithm="brute").fit(sparse).kneighbors(sparse[:300]),
    sklearn.metrics.pairwise.rbf_kernel(X[:300]),
    sklearn.metrics.pairwise.chi2_kernel(counts[:99]),
)
(
    sklearn.neighbors.NearestNeighbors(metric="manhattan", algorithm="brute").fit(blobs).kneighbors(blobs[:300]),
    sklearn.neighbors.RadiusNeighborsClassifier(2.0, outlier_label=0)
    .fit(blobs, (blobs[:, 0] > 0).astype(int))
    .predict(blobs),
)

# Decompositions, mixtures, texts, scales and scores.
(
    sklearn.decomposition.PCA(5).fit(X),
    sklearn.decomposition.TruncatedSVD(5, random_state=0).fit(sparse),
    sklearn.decomposition.FastICA(5, random_state=0).fit(X),
    sklearn.decomposition.FactorAnalysis(3).fit(X),
    sklearn.decomposition.IncrementalPCA(5).fit(X),
    sklearn.decomposition.KernelPCA(3).fit(X[:200]),
)
for data in (np.abs(X[:400]), abs(sparse[:400])):
    (
        sklearn.decomposition.NMF(5, max_iter=50, tol=0, random_state=0).fit(data),
        sklearn.decomposition.NMF(5, solver="mu", max_iter=20, random_state=0).fit(data),
        sklearn.decomposition.LatentDirichletAllocation(5, max_iter=5, random_state=0).fit(data),
    )
(
    sklearn.decomposition.MiniBatchDictionaryLearning(5, max_iter=5, random_state=0).fit(X[:300]),
    sklearn.decomposition.SparsePCA(3, max_iter=10, random_state=0).fit(X[:100]),
    sklearn.covariance.GraphicalLasso(alpha=0.5).fit(X[:, :5]),
    sklearn.covariance.LedoitWolf().fit(X),
    sklearn.covariance.MinCovDet(random_state=0).fit(X[:300, :4]),
)
(
    sklearn.manifold.TSNE(random_state=0, max_iter=260, init="random").fit(blobs[:300]),
    sklearn.manifold.TSNE(random_state=0, max_iter=260, method="exact").fit(blobs[:60]),
    sklearn.manifold.Isomap().fit(blobs[:200]),
    sklearn.manifold.MDS(max_iter=10, n_init=1, random_state=0).fit(blobs[:100]),
    sklearn.manifold.LocallyLinearEmbedding(random_state=0).fit(blobs[:200]),
    sklearn.manifold.SpectralEmbedding(random_state=0).fit(blobs[:200]),
)
for kind in ("full", "tied", "diag", "spherical"):
    sklearn.mixture.GaussianMixture(4, covariance_type=kind, max_iter=20, random_state=0).fit(blobs)
(
    sklearn.mixture.BayesianGaussianMixture(n_components=4, max_iter=10, random_state=0).fit(blobs),
    sklearn.naive_bayes.GaussianNB().fit(X, y).predict_proba(X),
    sklearn.naive_bayes.MultinomialNB().fit(counts, y).predict(counts),
)
texts = [" ".join(f"word{(each * other) % 997}" for other in range(30)) for each in range(800)]
for _ in range(2):
    counted = sklearn.feature_extraction.text.TfidfVectorizer().fit_transform(texts)
(
    sklearn.feature_extraction.text.HashingVectorizer().transform(texts),
    sklearn.feature_extraction.text.CountVectorizer(ngram_range=(1, 2)).fit_transform(texts),
    sklearn.feature_extraction.FeatureHasher(64).transform([{"a": 1, "b": 2}] * 300),
    sklearn.naive_bayes.MultinomialNB().fit(counted, np.arange(800) % 2),
)
for data in (X, sparse):
    (
        sklearn.preprocessing.StandardScaler(with_mean=False).fit_transform(data),
        sklearn.preprocessing.MaxAbsScaler().fit_transform(data),
        sklearn.preprocessing.normalize(data),
        sklearn.preprocessing.normalize(data, "l1"),
        sklearn.preprocessing.PolynomialFeatures(2).fit_transform(data),
        sklearn.preprocessing.PolynomialFeatures(3, interaction_only=True).fit_transform(data[:100]),
    )
(
    sklearn.preprocessing.StandardScaler().fit_transform(X),
    sklearn.preprocessing.MinMaxScaler().fit_transform(X),
    sklearn.preprocessing.RobustScaler().fit_transform(X),
    sklearn.preprocessing.QuantileTransformer(n_quantiles=100).fit_transform(X),
    sklearn.preprocessing.PowerTransformer().fit_transform(X),
    sklearn.preprocessing.KBinsDiscretizer(quantile_method="averaged_inverted_cdf").fit_transform(X),
)
words = np.array(texts[:300], dtype=object)[:, None]
(
    sklearn.preprocessing.OneHotEncoder().fit_transform(words),
    sklearn.preprocessing.OrdinalEncoder().fit_transform(words),
    sklearn.preprocessing.LabelEncoder().fit_transform(words[:, 0]),
    sklearn.preprocessing.TargetEncoder(random_state=0).fit_transform(three[:, None], y),
    sklearn.preprocessing.SplineTransformer().fit_transform(X),
)
for _ in range(2):
    (
        sklearn.metrics.roc_auc_score(y, X[:, 0]),
        sklearn.metrics.average_precision_score(y, X[:, 0]),
        sklearn.metrics.confusion_matrix(three, y),
        sklearn.metrics.classification_report(three, three),
        sklearn.metrics.f1_score(y, y),
    )
(
    sklearn.metrics.silhouette_score(blobs[:600], three[:600]),
    sklearn.metrics.adjusted_mutual_info_score(three, y),
    sklearn.metrics.log_loss(y, np.clip(np.abs(X[:, 0]) / 9, 0.1, 0.9)),
    sklearn.metrics.mean_squared_error(target, y),
    sklearn.metrics.mutual_info_score(three, y),
    sklearn.metrics.davies_bouldin_score(blobs, three[0] + (blobs[:, 0] > 0)),
    sklearn.metrics.ndcg_score(X[:50] ** 2, X[:50]),
)
(
    sklearn.model_selection.cross_val_score(sklearn.linear_model.LogisticRegression(), X, y, cv=3),
    sklearn.model_selection.train_test_split(X, y),
    sklearn.neural_network.MLPClassifier((9,), max_iter=20, random_state=0).fit(X, y),
)
(
    sklearn.datasets.make_sparse_coded_signal(
        n_samples=5, n_components=8, n_features=9, n_nonzero_coefs=2, random_state=0
    ),
    sklearn.datasets.load_digits(),
    sklearn.datasets.make_regression(200, random_state=0),
)
