//! A history as a stream for `fossil import --git`.

use std::collections::HashMap;
use std::io::{self, Write};

use super::history::{Checkin, File, History, Mode, Shape};

/// Writes the first `upto` check-ins of a history.
pub fn write(shape: Shape, upto: usize, out: &mut impl Write) -> io::Result<()> {
    let mut stream = Stream { out, marks: HashMap::new(), checkins: Vec::new(), mark: 0 };
    for checkin in History::new(shape).take(upto) {
        stream.checkin(&checkin)?;
    }
    stream.out.flush()
}

struct Stream<'w, W> {
    out: &'w mut W,
    marks: HashMap<Vec<u8>, usize>,
    checkins: Vec<usize>,
    mark: usize,
}

impl<W: Write> Stream<'_, W> {
    fn checkin(&mut self, checkin: &Checkin) -> io::Result<()> {
        let files: Vec<(&String, &File, usize)> = checkin
            .changed
            .iter()
            .map(|(name, file)| Ok((name, file, self.blob(file)?)))
            .collect::<io::Result<_>>()?;
        self.mark += 1;
        self.checkins.push(self.mark);
        let Checkin { branch, user, seconds, comment, .. } = checkin;
        let (mark, length) = (self.mark, comment.len());
        writeln!(self.out, "commit refs/heads/{branch}\nmark :{mark}")?;
        writeln!(
            self.out,
            "committer {user} <{user}@example.test> {seconds} +0000\ndata {length}\n{comment}"
        )?;
        if let Some(parent) = checkin.parent {
            writeln!(self.out, "from :{}", self.checkins[parent])?;
        }
        if let Some(merged) = checkin.merged {
            writeln!(self.out, "merge :{}", self.checkins[merged])?;
        }
        for name in &checkin.deleted {
            writeln!(self.out, "D {name}")?;
        }
        for (old, new) in &checkin.renamed {
            writeln!(self.out, "R {old} {new}")?;
        }
        for (name, file, blob) in files {
            writeln!(self.out, "M {} :{blob} {name}", mode(file.mode))?;
        }
        writeln!(self.out)?;
        let Some(tag) = &checkin.tag else { return Ok(()) };
        writeln!(self.out, "tag {tag}\nfrom :{mark}\ntagger u0 <u0@example.test> {seconds} +0000\ndata 0\n")
    }

    fn blob(&mut self, file: &File) -> io::Result<usize> {
        let content = file.body.bytes();
        let key = xfer::hash::sha1(&content).as_bytes().to_vec();
        if let Some(mark) = self.marks.get(&key) {
            return Ok(*mark);
        }
        self.mark += 1;
        self.marks.insert(key, self.mark);
        writeln!(self.out, "blob\nmark :{}\ndata {}", self.mark, content.len())?;
        self.out.write_all(&content)?;
        writeln!(self.out)?;
        Ok(self.mark)
    }
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Plain => "100644",
        Mode::Executable => "100755",
        Mode::Link => "120000",
    }
}
