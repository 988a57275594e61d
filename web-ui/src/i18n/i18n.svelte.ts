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
