mod hostile;
mod mixed;
mod script;
mod sessions;
mod stateless;
mod wires;
