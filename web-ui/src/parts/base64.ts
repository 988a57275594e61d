/** Bytes in base64 (RFC 4648, 4). */
export function base64(bytes: Uint8Array): string {
  // In pieces: a call has a limit of arguments.
  const piece = 0x8000;
  let text = '';
  for (let from = 0; from < bytes.length; from += piece) {
    text += String.fromCharCode(...bytes.subarray(from, from + piece));
  }
  return btoa(text);
}
