/** The pages below `device/`. */
export const topics = [
  'usb',
  'name',
  'network',
  'time',
  'doctor',
  'log',
  'backup',
  'versions',
  'reset',
  'password',
  'sessions',
  'tokens',
  'appearance',
  'about',
];
