/** The stages of a session with one message, in their order. */
export const MESSAGE_STAGES = [
  'connect',
  'helo',
  'envfrom',
  'envrcpt',
  'data',
  'header',
  'eoh',
  'body',
  'eom',
] as const
