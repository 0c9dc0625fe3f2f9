import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

// NEXT_OUTPUT=standalone builds the self-contained server.js; without it, `next start` serves.
const standalone = process.env.NEXT_OUTPUT === 'standalone';

/** @type {import('next').NextConfig} */
export default {
  output: standalone ? 'standalone' : undefined,
  outputFileTracingRoot: dirname(fileURLToPath(import.meta.url)),
  poweredByHeader: false,
};
