//! The HTTP front over real sockets, the real guard and scripted servers; requests are written out.

mod hostile;
mod talking;
mod world;
