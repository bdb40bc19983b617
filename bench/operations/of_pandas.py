"""Operations of pandas: grouping, joining, windows, text and times, files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from registry import SEED, operation

if TYPE_CHECKING:
    from collections.abc import Callable

    Timed = Callable[[], Any]

ROWS = 100_000


def _frame(rows: int = ROWS) -> pd.DataFrame:
    random = np.random.default_rng(SEED)
    key = random.integers(0, 500, rows)
    return pd.DataFrame(
        {
            "key": key,
            "name": [f"name {each}" for each in key],
            "one": random.random(rows),
            "two": random.random(rows),
            "count": random.integers(0, 100, rows),
        }
    )


def _times(rows: int = ROWS) -> pd.Series:
    values = np.random.default_rng(SEED).random(rows)
    return pd.Series(values, index=pd.date_range("2024-01-01", periods=rows, freq="min"))


@operation()
def group_mean() -> Timed:
    data = _frame()
    return lambda: data.groupby("key")[["one", "two"]].mean()


@operation()
def group_by_text() -> Timed:
    data = _frame()
    return lambda: data.groupby("name")["one"].agg(["sum", "max"])


@operation()
def group_median_and_rank() -> Timed:
    grouped = _frame().groupby("key")["one"]
    return lambda: (grouped.median(), grouped.rank())


@operation()
def merge_on_integers() -> Timed:
    data = _frame()
    other = pd.DataFrame({"key": np.arange(500)[::-1], "more": np.arange(500.0)})
    return lambda: data.merge(other, on="key")


@operation()
def merge_on_text() -> Timed:
    data = _frame(30_000)
    other = pd.DataFrame({"name": [f"name {each}" for each in range(500)], "more": np.arange(500.0)})
    return lambda: data.merge(other, on="name", how="left")


@operation()
def rolling_mean() -> Timed:
    data = _times()
    return lambda: data.rolling(50).mean()


@operation()
def rolling_quantile() -> Timed:
    data = _times(20_000)
    return lambda: data.rolling(50).quantile(0.9)


@operation()
def exponential_window() -> Timed:
    data = _times()
    return lambda: data.ewm(span=20).mean()


@operation()
def resample() -> Timed:
    data = _times()
    return lambda: data.resample("h").sum()


@operation()
def read_csv() -> Timed:
    text = _frame(20_000).to_csv(index=False)
    return lambda: pd.read_csv(io.StringIO(text))


@operation()
def write_csv() -> Timed:
    data = _frame(5000)
    return lambda: data.to_csv(index=False)


@operation()
def read_and_write_json() -> Timed:
    data = _frame(5000)
    return lambda: pd.read_json(io.StringIO(data.to_json()))


@operation()
def parse_times() -> Timed:
    text = pd.Series(pd.date_range("2001-01-01", periods=30_000, freq="h").strftime("%Y-%m-%d %H:%M:%S"))
    return lambda: pd.to_datetime(text)


@operation()
def parts_of_times() -> Timed:
    times = pd.Series(_times().index)
    return lambda: (times.dt.year, times.dt.dayofweek, times.dt.floor("D"))


@operation()
def convert_time_zone() -> Timed:
    times = _times().index.tz_localize("UTC")
    return lambda: times.tz_convert("Europe/Berlin").tz_localize(None)


@operation()
def text_contains_and_upper() -> Timed:
    text = _frame(20_000)["name"]
    return lambda: (text.str.contains("17"), text.str.upper())


@operation()
def split_text() -> Timed:
    text = _frame(10_000)["name"]
    return lambda: text.str.split(" ", expand=True)


@operation()
def sort_values() -> Timed:
    data = _frame()
    return lambda: data.sort_values(["key", "one"])


@operation()
def pivot_table() -> Timed:
    data = _frame()
    return lambda: data.pivot_table(index="key", columns="count", values="one", aggfunc="mean")


@operation()
def stack_and_unstack() -> Timed:
    data = pd.DataFrame(np.random.default_rng(SEED).random((300, 200)))
    return lambda: data.stack().unstack()


@operation()
def count_values() -> Timed:
    text = _frame()["name"]
    return lambda: text.value_counts().sort_index()


@operation()
def drop_duplicates() -> Timed:
    data = _frame()
    return lambda: data.drop_duplicates(["key", "count"])


@operation()
def is_in() -> Timed:
    data, wanted = _frame()["key"], list(range(0, 500, 7))
    return lambda: data.isin(wanted)


@operation()
def factorize_text() -> Timed:
    data = _frame()["name"]
    return lambda: pd.factorize(data)


@operation()
def fill_missing() -> Timed:
    data = _frame()[["one", "two"]].where(lambda each: each > 0.3)
    return lambda: data.ffill()


@operation()
def correlation() -> Timed:
    data = pd.DataFrame(np.random.default_rng(SEED).random((5000, 20)))
    return lambda: data.corr()


@operation()
def query_and_assign() -> Timed:
    data = _frame()
    return lambda: data[(data["one"] > 0.5) & (data["count"] < 50)].assign(more=lambda each: each["two"] * 2)


@operation()
def concatenate() -> Timed:
    parts = [_frame(2000) for _ in range(20)]
    return lambda: pd.concat(parts, ignore_index=True)
