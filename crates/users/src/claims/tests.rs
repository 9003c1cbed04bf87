//! Claims: whom they touch, what they do, and taking them back.
