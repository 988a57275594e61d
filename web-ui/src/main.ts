import './styles/tokens.css';
import './styles/base.css';
import './styles/layout.css';

import { mount } from 'svelte';

import App from './App.svelte';
import { i18n } from './i18n/i18n.svelte.ts';
import { appearance } from './state/appearance.svelte.ts';

appearance.apply();
i18n.apply();
const target = document.getElementById('app');
if (target) mount(App, { target });
