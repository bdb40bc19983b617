"""What most of the time of pandas goes into: each with the types that people have most."""

import io

import numpy as np
import pandas as pd

ROWS = 20_000
random = np.random.default_rng(1)
key = random.integers(0, 300, ROWS)
frame = pd.DataFrame(
    {
        "key": key,
        "small": key.astype(np.int32) % 7,
        "text": pd.Series([f"text {each}" for each in key], dtype=object),
        "word": pd.Series([f"word {each % 50}" for each in key]),
        "kind": pd.Categorical([f"kind {each % 9}" for each in key]),
        "one": random.random(ROWS),
        "two": random.random(ROWS).astype(np.float32),
        "hole": np.where(random.random(ROWS) < 0.1, np.nan, random.random(ROWS)),
        "flag": random.random(ROWS) > 0.5,
        "when": pd.date_range("2024-01-01", periods=ROWS, freq="37min").values[random.permutation(ROWS)],
        "count": pd.array(random.integers(0, 100, ROWS), dtype="Int64"),
    }
)
other = pd.DataFrame({"key": np.arange(300)[::-1], "more": np.arange(300.0), "text": [f"text {n}" for n in range(300)]})

# Groups.
for by in ("key", "small", "text", "word", "kind", "flag", ["key", "word"]):
    groups = frame.groupby(by, observed=True)
    groups[["one", "two", "hole", "count"]].agg(["sum", "mean", "min", "max", "count", "std", "first", "last"])
    groups["one"].median(), groups["one"].rank(), groups["hole"].ffill(), groups["one"].cumsum()
    groups["one"].shift(), groups["word"].nunique(), groups.size(), groups["one"].quantile(0.3), groups.cumcount()
    groups["one"].transform("mean"), groups.head(2), groups["key"].value_counts()
frame.groupby("small")["one"].apply(lambda each: each.max() - each.min())

# Joins.
for how in ("inner", "left", "right", "outer"):
    frame.merge(other[["key", "more"]], on="key", how=how)
    frame.merge(other[["text", "more"]], on="text", how=how)
    frame[["key", "one"]].set_index("key").join(other.set_index("key")["more"], how=how)
left, right = frame.sort_values("when")[["when", "one"]], frame.sort_values("when")[["when", "two"]][::3]
pd.merge_asof(left, right, on="when", direction="nearest")
pd.concat([frame[:2000]] * 8, ignore_index=True), pd.concat([frame["one"], frame["two"]], axis=1)

# Windows.
times = pd.Series(random.random(ROWS), index=pd.date_range("2024-01-01", periods=ROWS, freq="min"))
for series in (times, frame["hole"]):
    window = series.rolling(50, min_periods=10)
    window.mean(), window.sum(), window.std(), window.min(), window.max(), window.median(), window.quantile(0.9)
    window.count(), window.skew(), window.kurt(), window.rank(), window.corr(series[::-1])
    series.ewm(span=20).mean(), series.ewm(span=20).std(), series.expanding().mean(), series.expanding().max()
times.rolling("30min").mean(), times.resample("h").agg(["sum", "mean", "ohlc"]), times.asfreq("30s").ffill()

# Times.
stamps = times.index
for zone in ("Europe/Berlin", "America/New_York", "Asia/Kolkata"):
    for _ in range(10):
        moved = stamps.tz_localize("UTC").tz_convert(zone)
        moved.tz_localize(None), moved.hour, moved.normalize(), moved.strftime("%Y")[:5]
    stamps.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward")
for _ in range(5):
    dates = frame["when"].dt
    dates.year, dates.month, dates.day, dates.hour, dates.minute, dates.dayofweek, dates.dayofyear, dates.quarter
    dates.floor("D"), dates.ceil("h"), dates.round("min"), dates.to_period("M"), dates.is_month_end
    dates.isocalendar(), dates.day_name(), dates.normalize(), dates.days_in_month
frame["when"] - frame["when"].shift(), (frame["when"] - frame["when"].min()).dt.total_seconds()
frame["when"] + pd.Timedelta("1h"), frame["when"][:500] + pd.DateOffset(months=1), stamps + pd.offsets.BDay()
texts = frame["when"].dt.strftime("%Y-%m-%d %H:%M:%S")
pd.to_datetime(texts), pd.to_datetime(texts.str[:10]), pd.to_datetime(texts, format="%Y-%m-%d %H:%M:%S")
pd.to_datetime(frame["when"].dt.strftime("%d.%m.%Y")[:5000], format="%d.%m.%Y"), pd.to_datetime(frame["key"], unit="s")
(
    pd.to_timedelta(frame["key"], unit="m"),
    pd.to_timedelta(["1 days 02:03:04"] * 500),
    pd.period_range("2000", periods=500),
)
[pd.Timestamp("2024-05-06 07:08:09") + pd.Timedelta(minutes=n) for n in range(2000)]
[pd.Timestamp(2024, 1, 1 + n % 28).isoformat() for n in range(2000)]

# Values.
for name in ("key", "small", "text", "word", "one", "hole", "when", "kind", "count", "flag"):
    column = frame[name]
    column.value_counts(), column.unique(), column.nunique(), column.duplicated(), column.drop_duplicates()
    pd.factorize(column), column.isin(list(column[:40])), column.isna(), column.sort_values(), column.shift()
    column.dropna().map(str), column.where(frame["flag"]), column.argsort()
    column.to_list(), column.astype(object), column.astype(str), column.take(key), column.reindex(key), column == column
for name in ("key", "one", "hole", "two"):
    column = frame[name]
    column.rank(), column.rank(method="dense"), column.cumsum(), column.cummax(), column.diff(), column.describe()
    column.quantile([0.1, 0.9]), column.nlargest(10), column.clip(0.2, 0.8), column.round(2), column.mode()
    (
        column.fillna(0),
        column.ffill(),
        column.interpolate(),
        column.replace({1: 2}),
        pd.cut(column, 10),
        pd.qcut(frame["one"], 10),
    )
frame.sort_values(["key", "one"]), frame.sort_values("text"), frame.drop_duplicates(["key", "small"])
frame[["one", "two", "hole"]].corr(), frame[["one", "two", "hole"]].corr("spearman"), frame[["one", "hole"]].cov()
frame.pivot_table(index="key", columns="small", values="one", aggfunc="mean"), frame.melt("key", ["one", "two"])
pd.crosstab(frame["key"], frame["small"]), pd.get_dummies(frame["word"]), frame.set_index(["key", "word"]).sort_index()
square = pd.DataFrame(random.random((200, 100)))
square.stack().unstack(), square.T, square.apply(np.sum, axis=1), square.idxmax(), square.rank(), square.ffill()
frame[(frame["one"] > 0.5) & frame["flag"]].assign(more=lambda each: each["two"] * 2), frame.iloc[::7], frame.loc[5:500]
frame.query("one > 0.5 and key < 50"), frame.iloc[key], frame.reset_index(drop=True), frame.memory_usage(deep=True)
indexed = frame.set_index("text")
(
    [indexed.loc["text 5"] for _ in range(50)],
    [frame.at[n, "one"] for n in range(3000)],
    frame.set_index("key").loc[[1, 2, 3]],
)
many = frame.set_index(["key", "word"]).sort_index()
many.loc[5], many.index.get_level_values(0), many.groupby(level=0)["one"].sum()
pd.IntervalIndex.from_breaks(np.arange(200)).get_indexer(frame["one"] * 199), pd.arrays.SparseArray([0, 0, 1] * 500) + 1

# Text.
for name in ("text", "word"):
    text = frame[name].str
    text.contains("17"), text.upper(), text.len(), text.split(" ", expand=True), text.replace("t", "T"), text[:4]
    text.startswith("text"), text.strip(), text.cat(sep=",")[:5], text.extract(r"(\d+)"), text.pad(12), text.find("1")

# Files.
csv = frame.to_csv(index=False)
pd.read_csv(io.StringIO(csv)), pd.read_csv(io.StringIO(csv), dtype={"key": np.int32}, parse_dates=["when"])
(
    pd.read_csv(io.StringIO(csv.replace(",", ";")), sep=";", usecols=["key", "one", "text"]),
    pd.read_csv(io.StringIO(csv), chunksize=5000).read(100),
)
for _ in range(4):
    pd.read_csv(io.StringIO(csv), usecols=["key", "one", "word"])
part = frame[:4000].drop(columns="kind")
for orient in ("columns", "records", "split"):
    pd.read_json(io.StringIO(part.to_json(orient=orient)), orient=orient)
(
    part.to_dict("records"),
    [*part.itertuples()],
    [*part[:300].iterrows()],
    str(part),
    part.to_numpy(),
    part.to_html(max_rows=20),
)
pd.util.hash_pandas_object(part), part.equals(part.copy()), part.infer_objects(), part.convert_dtypes()
