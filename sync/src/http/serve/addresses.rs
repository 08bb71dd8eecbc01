//! How many connections each address has open.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts connections by address, a /64 network of IPv6 as one. A loopback address is not counted: as a rule it is
/// a web server before us, which stands for everyone.
#[derive(Clone, Default)]
pub(crate) struct Addresses {
    open: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

/// One open connection; counted until it is dropped.
pub(crate) struct Seat {
    of: Addresses,
    address: Option<IpAddr>,
}

impl Addresses {
    /// Counts one more connection of `address`, unless it has `most` already.
    pub(crate) fn seat(&self, address: IpAddr, most: usize) -> Option<Seat> {
        let address = counted(address);
        if let Some(address) = address {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let count = open.get(&address).copied().unwrap_or_default();
            if count >= most {
                return None;
            }
            open.insert(address, count + 1);
        }
        Some(Seat { of: self.clone(), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut open = self.of.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&address)),
        }
    }
}

fn counted(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V4(address) => Some(address.into()),
        IpAddr::V6(address) => Some(std::net::Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_connections_and_loopback_any_number() {
        let addresses = Addresses::default();
        let seat = |address: &str| addresses.seat(address.parse().unwrap(), 2);
        let first = seat("192.0.2.1");
        let _second = seat("::ffff:192.0.2.1");
        assert!(first.is_some() && seat("192.0.2.1").is_none());
        drop(first);
        let _third = seat("192.0.2.1").unwrap();
        assert!(seat("192.0.2.1").is_none() && seat("192.0.2.2").is_some());
        let _network = (seat("2001:db8::1").unwrap(), seat("2001:db8::2").unwrap());
        assert!(seat("2001:db8::3").is_none() && seat("2001:db8:0:1::3").is_some());
        let _loopback = [seat("127.0.0.1"), seat("127.0.0.1"), seat("127.0.0.1")].map(Option::unwrap);
        drop(_network);
        assert_eq!(addresses.open.lock().unwrap().len(), 1, "what is closed is forgotten");
    }
}
