// plotly sets some styles as attributes and as text, which the page's policy refuses; as properties
// they are allowed. The one style sheet that it sets as text is for maps, and there are none here.
"use strict";
(() => {
  const set = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) {
    if (name === "style" && this.style) this.style.cssText = value;
    else set.call(this, name, value);
  };
  Object.defineProperty(HTMLStyleElement.prototype, "textContent", { set() {} });
})();
