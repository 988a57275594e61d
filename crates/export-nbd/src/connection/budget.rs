//! What one connection may have under way.

/// Room for requests, in number and in bytes of payload.
///
/// Taken when a request is admitted, before its payload is read or its read begun, and given back when its reply has
/// left (a read) or when the disk is done with it (a write). A client that reads no replies thus stops being served.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: u32,
    requests: usize,
    total: u32,
}

impl Budget {
    pub(crate) fn new(bytes: u32, requests: usize) -> Self {
        Self {
            bytes,
            requests: requests.max(1),
            total: bytes,
        }
    }

    /// Takes room for a request with `bytes` of payload in either direction, if there is.
    pub(crate) fn take(&mut self, bytes: u32) -> Option<Cost> {
        let bytes = bytes.min(self.total);
        if self.requests == 0 || self.bytes < bytes {
            return None;
        }
        self.requests -= 1;
        self.bytes -= bytes;
        Some(Cost { bytes })
    }

    pub(crate) fn give_back(&mut self, cost: Cost) {
        self.requests += 1;
        self.bytes += cost.bytes;
    }

    /// Gives back the bytes, but not the place of the request.
    pub(crate) fn give_back_bytes(&mut self, cost: &mut Cost) {
        self.bytes += std::mem::take(&mut cost.bytes);
    }
}

/// What a request holds of the budget.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    bytes: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_too_many_bytes_nor_too_many_requests() {
        let mut budget = Budget::new(1000, 2);
        let a = budget.take(600).unwrap();
        assert_eq!(budget.take(500), None);
        let mut b = budget.take(400).unwrap();
        assert_eq!(budget.take(0), None, "two requests are under way");
        budget.give_back(a);
        let c = budget.take(600).unwrap();
        budget.give_back_bytes(&mut b);
        assert_eq!(budget.take(0), None, "b still holds its place");
        budget.give_back(b);
        budget.give_back(c);
        assert_eq!((budget.bytes, budget.requests), (1000, 2));
    }

    #[test]
    fn a_request_larger_than_the_budget_takes_all_of_it() {
        let mut budget = Budget::new(1000, 2);
        let all = budget.take(5000).unwrap();
        assert_eq!(budget.take(1), None);
        budget.give_back(all);
        assert_eq!(budget.bytes, 1000);
    }
}
