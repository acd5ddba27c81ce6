// Lines of code as a picture: decorations of VS Code hold one line of text, but any image.

export interface Look {
  readonly fontFamily: string;
  readonly fontSize: number;
  readonly lineHeight: number;
  readonly tabSize: number;
}

export interface Panel {
  readonly width: number;
  readonly height: number;
  readonly light: string;
  readonly dark: string;
}

const LIGHT = { fill: '#e8f5e9', edge: '#2e7d32', text: '#1b1f23' };
const DARK = { fill: '#1d2b20', edge: '#4caf50', text: '#d7dde3' };
const PADDING = 6;
// Monospaced fonts are this wide for each pixel of size; `textLength` makes others fit.
const ADVANCE = 0.602;
const MOST_LINES = 24;

/** Draw `lines` for both kinds of theme, as data URIs. Sizes in pixels. */
export function panel(lines: readonly string[], look: Look): Panel {
  const shown = shortened(lines).map((line) => line.replace(/\t/g, ' '.repeat(look.tabSize)));
  const columns = Math.max(1, ...shown.map((line) => line.length));
  const width = Math.ceil(columns * look.fontSize * ADVANCE) + 2 * PADDING;
  const height = shown.length * look.lineHeight;
  const draw = (colours: typeof LIGHT) => dataUri(svg(shown, look, { width, height, ...colours }));
  return { width, height, light: draw(LIGHT), dark: draw(DARK) };
}

function dataUri(image: string): string {
  return `data:image/svg+xml;base64,${Buffer.from(image).toString('base64')}`;
}

function shortened(lines: readonly string[]): readonly string[] {
  if (lines.length <= MOST_LINES) return lines;
  const more = lines.length - MOST_LINES + 1;
  return [...lines.slice(0, MOST_LINES - 1), `… ${more} more lines`];
}

type Frame = { readonly width: number; readonly height: number } & typeof LIGHT;

function svg(lines: readonly string[], look: Look, frame: Frame): string {
  const advance = look.fontSize * ADVANCE;
  const rows = lines.map((line, index) => {
    const code = line.trim();
    if (code === '') return '';
    // Blanks at the beginning of a text are not drawn.
    const x = (PADDING + (line.length - line.trimStart().length) * advance).toFixed(2);
    const y = index * look.lineHeight + look.lineHeight / 2;
    const wide = (code.length * advance).toFixed(2);
    return `<text x="${x}" y="${y}" dominant-baseline="central" textLength="${wide}">${escaped(code)}</text>`;
  });
  const { width, height, fill, edge, text } = frame;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="3" fill="${fill}" stroke="${edge}"/>`,
    `<g fill="${text}" font-size="${look.fontSize}" font-family="${escaped(look.fontFamily)}" xml:space="preserve">`,
    ...rows,
    '</g></svg>',
  ].join('');
}

function escaped(text: string): string {
  return text
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');
}
