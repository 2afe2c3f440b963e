-- Yoyo's own lock table, for a database that yoyo has not met yet.
CREATE TABLE IF NOT EXISTS yoyo_lock (
    locked INTEGER DEFAULT 1 PRIMARY KEY,
    ctime TIMESTAMP,
    pid INTEGER NOT NULL
)
