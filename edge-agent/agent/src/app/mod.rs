//! Joins the stations; the only place that knows them all.
