"""pandas computes: parsing, grouping, joining, time series."""

import io

import numpy as np
import pandas as pd

frame = pd.read_csv(io.StringIO("kind,value,when\na,1,2026-01-01\nb,2,2026-01-02\na,3,2026-02-01\n"), parse_dates=["when"])
assert frame.groupby("kind")["value"].sum().to_dict() == {"a": 4, "b": 2}
assert frame.set_index("when").resample("MS")["value"].sum().tolist() == [3, 3]
assert frame.merge(pd.DataFrame({"kind": ["a"], "name": ["first"]}))["name"].tolist() == ["first", "first"]
assert frame.sort_values("value", ascending=False)["value"].iloc[0] == 3
assert pd.read_json(io.StringIO(frame.to_json()))["value"].tolist() == [1, 2, 3]
assert np.isclose(frame["value"].rolling(2).mean().iloc[-1], 2.5)
assert str(pd.Timestamp("2026-03-29 12:00", tz="Europe/Vienna").tz_convert("UTC").hour) == "10"
assert frame["kind"].str.upper().tolist() == ["A", "B", "A"]
