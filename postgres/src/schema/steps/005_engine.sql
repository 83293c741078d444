-- The name of the engine, as network descriptions give it. The first node that names one sets it.
CREATE TABLE voicemail.engine (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    name   text NOT NULL
);
