/** The language of the page: the browser's, unless its owner chose one. */
import { de } from './de.ts';
import { en, type Catalogue } from './en.ts';

export const languages = { en: 'English', de: 'Deutsch' } as const;
export type Language = keyof typeof languages;

const catalogues: Record<Language, Catalogue> = { en, de };
const key = 'cloud-stick.language';

function isLanguage(value: string | null | undefined): value is Language {
  return value != null && value in languages;
}

function first(): Language {
  try {
    const stored = localStorage.getItem(key);
    if (isLanguage(stored)) return stored;
  } catch {
    // Then the browser's.
  }
  for (const wanted of navigator.languages) {
    const short = wanted.split('-')[0];
    if (isLanguage(short)) return short;
  }
  return 'en';
}

/**
 * The variant of a language that the browser asks for: its own words on it, else with the place of another language of its,
 * else that of the world. Plain "en" would be American to `Intl`.
 */
export function localeOf(language: Language, wanted: readonly string[]): string {
  const locales = wanted.flatMap((tag) => {
    try {
      return [new Intl.Locale(tag)];
    } catch {
      return [];
    }
  });
  const own = locales.find((one) => one.language === language && one.region);
  if (own) return own.baseName;
  const region = locales.find((one) => one.region)?.region ?? '001';
  return Intl.DateTimeFormat.supportedLocalesOf(`${language}-${region}`)[0] ?? language;
}

class I18n {
  #language = $state<Language>(first());

  get language(): Language {
    return this.#language;
  }

  set language(language: Language) {
    this.#language = language;
    try {
      localStorage.setItem(key, language);
    } catch {
      // It then lasts as long as the page.
    }
    this.apply();
  }

  /** How dates and numbers are written. */
  get locale(): string {
    return localeOf(this.#language, navigator.languages);
  }

  /** All texts of the page. */
  get t(): Catalogue {
    return catalogues[this.#language];
  }

  /** A text that the device sends in English, translated if the catalogue knows it. */
  device(text: string): string {
    return this.t.device_texts[text] ?? text;
  }

  /** Tells the document, for screen readers. */
  apply(): void {
    document.documentElement.lang = this.#language;
  }
}

export const i18n = new I18n();
