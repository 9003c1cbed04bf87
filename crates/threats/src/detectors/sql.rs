//! Statements over detectors: heartbeats are counters, who stopped one is a decision.

platform::statements! {
    pub(super) BEAT: Platform = "select beat_at from detector_beats where detector = $1";
    pub(super) SET_BEAT: Housekeeping =
        "insert into detector_beats (detector, beat_at) values ($1, $2)
         on conflict (detector) do update set beat_at = excluded.beat_at";
    pub(super) FORGET_BEAT: Housekeeping = "delete from detector_beats where detector = $1";
    pub(super) STOPPED: Platform =
        "select reason, stopped_by, stopped_at from detector_stops where detector = $1";
    pub(super) STOP: Platform =
        "insert into detector_stops (detector, reason, stopped_by, stopped_at) values ($1, $2, $3, $4)
         on conflict (detector) do nothing";
    pub(super) START: Platform = "delete from detector_stops where detector = $1";
}
