//! Domains: states, checks, evidence and pages.
