/** Light or dark, as the owner of this browser likes it. */

export type Theme = 'auto' | 'light' | 'dark';
const key = 'cloud-stick.theme';

function stored(): Theme {
  try {
    const value = localStorage.getItem(key);
    return value === 'light' || value === 'dark' ? value : 'auto';
  } catch {
    return 'auto';
  }
}

class Appearance {
  #theme = $state<Theme>(stored());

  get theme(): Theme {
    return this.#theme;
  }

  set theme(theme: Theme) {
    this.#theme = theme;
    try {
      localStorage.setItem(key, theme);
    } catch {
      // It then lasts as long as the page.
    }
    this.apply();
  }

  /** Tells the style sheet. */
  apply(): void {
    if (this.#theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.#theme;
  }
}

export const appearance = new Appearance();
