//! The loop around a session: next_request, exchange, handle_reply. To be written.
