// The page, kept live. Without it everything can be read and done as well.
import plotStyle from "uplot/dist/uPlot.min.css";
import liveStyle from "./live.css";
import { watchFingers } from "./guard";
import { live } from "./live";

// Not by an element <style>, which the policy refuses, nor by a file of its own, which the page would wait for.
const style = new CSSStyleSheet();
style.replaceSync(plotStyle + liveStyle);
document.adoptedStyleSheets = [...document.adoptedStyleSheets, style];
watchFingers();
live();
