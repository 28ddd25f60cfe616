//! The entity runtime of annals: behaviour, effects, pure state machine, shard workers.
