-- Changed by users only.
CREATE TABLE blob(
  rid INTEGER PRIMARY KEY,      -- local name of the artifact
  rcvid INTEGER,                -- how it came
  size INTEGER,                 -- after delta expansion; -1: a phantom
  uuid TEXT UNIQUE NOT NULL,    -- its name
  content BLOB,                 -- compressed: the artifact, or a delta if `delta` says so
  CHECK( length(uuid)>=40 AND rid>0 )
);
CREATE TABLE delta(
  rid INTEGER PRIMARY KEY,
  srcid INTEGER NOT NULL REFERENCES blob
);
CREATE INDEX delta_i1 ON delta(srcid);
CREATE TABLE rcvfrom(
  rcvid INTEGER PRIMARY KEY,
  uid INTEGER REFERENCES user,
  mtime DATETIME,               -- julian day
  nonce TEXT UNIQUE,
  ipaddr TEXT
);
CREATE TABLE user(
  uid INTEGER PRIMARY KEY,
  login TEXT UNIQUE,
  pw TEXT,
  cap TEXT,
  cookie TEXT,
  ipaddr TEXT,
  cexpire DATETIME,
  info TEXT,
  mtime DATE,                   -- seconds since 1970
  photo BLOB,
  jx TEXT DEFAULT '{}'
);
CREATE TABLE config(
  name TEXT PRIMARY KEY NOT NULL,
  value CLOB,
  mtime DATE,                   -- seconds since 1970
  CHECK( typeof(name)='text' AND length(name)>=1 )
);
CREATE TABLE shun(
  uuid UNIQUE,
  mtime DATE,
  scom TEXT
);
CREATE TABLE private(rid INTEGER PRIMARY KEY);
CREATE TABLE reportfmt(
  rn INTEGER PRIMARY KEY,
  owner TEXT,
  title TEXT UNIQUE,
  mtime DATE,
  cols TEXT,
  sqlcode TEXT,
  jx TEXT DEFAULT '{}'
);
CREATE TABLE concealed(
  hash TEXT PRIMARY KEY,
  mtime DATE,
  content TEXT
);
INSERT INTO reportfmt(title, mtime, cols, sqlcode) VALUES(
  'All Tickets', 2440587.5, '',
  'SELECT substr(tkt_uuid,1,10) AS ''#'', datetime(tkt_mtime) AS ''mtime'', type, status, subsystem, title FROM ticket'
);
