/** A rough idea of how hard a password is to guess; the device itself limits attempts. */

const common = [
  'password',
  'passwort',
  '12345678',
  'qwertz',
  'qwerty',
  'cloudstick',
  'cloud-stick',
  'letmein',
  'iloveyou',
];

/** 0: too short; 1 to 4: weak to strong. */
export function strength(password: string): 0 | 1 | 2 | 3 | 4 {
  if (password.length < 8) return 0;
  const lower = password.toLowerCase();
  if (common.some((word) => lower.includes(word)) || new Set(lower).size < 4) return 1;
  const kinds = [/[a-z]/, /[A-Z]/, /[0-9]/, /[^A-Za-z0-9]/].filter((kind) => kind.test(password)).length;
  const points = password.length + 3 * (kinds - 1);
  if (points < 12) return 1;
  if (points < 16) return 2;
  if (points < 21) return 3;
  return 4;
}
