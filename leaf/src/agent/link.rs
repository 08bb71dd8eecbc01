//! Notices that the network is back: a way to somewhere that was not there before.

use std::collections::BTreeSet;
use std::fs;

/// The ways out of this machine, where the system tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Routes(BTreeSet<String>);

impl Routes {
    /// Those there are now.
    pub(crate) fn read() -> Self {
        let read = |file| fs::read_to_string(file).unwrap_or_default();
        Self::parse(&read("/proc/net/route"), &read("/proc/net/ipv6_route"))
    }

    /// Takes only what says where and how, and no counters.
    fn parse(four: &str, six: &str) -> Self {
        let four = four.lines().skip(1).map(|line| columns(line, &[0, 1, 2]));
        let six = six.lines().map(|line| columns(line, &[0, 1, 4, 9]));
        Self(four.chain(six).collect())
    }

    /// Whether there is one that was not there before.
    pub(crate) fn gained_over(&self, earlier: &Self) -> bool {
        !self.0.is_subset(&earlier.0)
    }
}

fn columns(line: &str, wanted: &[usize]) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let chosen: Vec<&str> = wanted.iter().filter_map(|index| words.get(*index).copied()).collect();
    chosen.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n";

    #[test]
    fn a_new_way_is_news_and_a_lost_one_or_a_counter_is_none() {
        let of = |lines: &str| Routes::parse(&format!("{HEAD}{lines}"), "");
        let local = "eth0 0000A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0\n";
        let default = "eth0 00000000 0100A8C0 0003 0 0 0 00000000 0 0 0\n";
        let counted = "eth0 0000A8C0 00000000 0001 0 7 0 00FFFFFF 0 0 0\n";
        let both = format!("{local}{default}");
        assert!(of(&both).gained_over(&of(local)));
        assert!(!of(local).gained_over(&of(&both)));
        assert!(!of(counted).gained_over(&of(local)));
        assert!(!of("").gained_over(&Routes::default()));
    }
}
