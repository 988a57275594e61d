import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

import { devDevice } from './dev/plugin.ts';

export default defineConfig(({ mode }) => ({
  // The device in memory answers `vite` and `vite preview`; it is in no build.
  plugins: [svelte(), devDevice()],
  // Tests mount components as a browser does, not as a server.
  resolve: mode === 'test' ? { conditions: ['browser'] } : {},
  build: {
    target: ['chrome111', 'firefox113', 'safari16.4'],
    // Phones of owners run the page, not old ones of their grandparents: no polyfill, which would be an inline script.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/[name]-[hash].js',
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
  test: {
    environment: 'jsdom',
    include: ['tests/**/*.test.ts'],
    restoreMocks: true,
  },
}));
