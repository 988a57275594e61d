(function () {
  var root = document.documentElement, choice = document.getElementById('choice');
  function show(language) { root.lang = language; root.className = 'only-' + language; }
  choice.hidden = false;
  choice.onclick = function (event) {
    var language = event.target.getAttribute('data-show');
    if (language) show(language);
  };
  show(/^de/i.test(navigator.language || '') ? 'de' : 'en');
})();
