"""The three small shaders of the 3D viewer (GLSL 1.20, which every driver has).

Edges are smoothed by their distance to the pixel and not by multisampling: that looks the same on
every machine, and costs a software renderer a fraction. Widths are exact; OpenGL's own wide lines
are not to be had on macOS. Nothing uses the depth buffer: smoothed edges would leave halos in it,
so layers are drawn one over the other, people sorted from far to near.
"""

STROKE_VERTEX = """
uniform mat4 u_matrix;
uniform vec2 u_size;
uniform float u_focal;
uniform float u_near;
uniform float u_ratio;
attribute vec3 a_start;
attribute vec3 a_end;
attribute vec4 a_offsets;
attribute vec4 a_color;
attribute vec3 a_radius;
attribute vec3 a_style;
attribute vec2 a_corner;
varying vec4 v_color;
varying vec2 v_here;
varying vec4 v_ends;
varying vec2 v_radius;
varying vec3 v_style;

float radius_at(float depth) {
    return clamp(a_radius.x * u_focal / depth, a_radius.y, a_radius.z) * u_ratio;
}

void main() {
    vec4 s = u_matrix * vec4(a_start, 1.0);
    vec4 e = u_matrix * vec4(a_end, 1.0);
    v_color = a_color;
    v_style = vec3(a_style.xy * u_ratio, a_style.z);
    if (s.w < u_near && e.w < u_near) {
        gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
        v_here = vec2(0.0); v_ends = vec4(0.0); v_radius = vec2(0.0);
        return;
    }
    if (s.w < u_near) s = mix(s, e, (u_near - s.w) / (e.w - s.w));
    if (e.w < u_near) e = mix(e, s, (u_near - e.w) / (s.w - e.w));
    vec2 flip = vec2(1.0, -1.0) * u_ratio;
    vec2 a = (s.xy / s.w * 0.5 + 0.5) * u_size + a_offsets.xy * flip;
    vec2 b = (e.xy / e.w * 0.5 + 0.5) * u_size + a_offsets.zw * flip;
    v_radius = vec2(radius_at(s.w), radius_at(e.w));
    // What is thin gets a thin outline, or far figures would be all outline.
    v_style.y = min(v_style.y, 0.6 * max(v_radius.x, v_radius.y));
    float pad = max(v_radius.x, v_radius.y) + v_style.y + 1.0;
    vec2 along = b - a;
    float len = length(along);
    vec2 dir = len > 0.001 ? along / len : vec2(1.0, 0.0);
    vec2 across = vec2(-dir.y, dir.x);
    v_here = mix(a, b, a_corner.x) + dir * pad * (2.0 * a_corner.x - 1.0)
        + across * pad * a_corner.y;
    v_ends = vec4(a, b);
    gl_Position = vec4(v_here / u_size * 2.0 - 1.0, 0.0, 1.0);
}
"""

STROKE_FRAGMENT = """
uniform vec4 u_outline;
varying vec4 v_color;
varying vec2 v_here;
varying vec4 v_ends;
varying vec2 v_radius;
varying vec3 v_style;

void main() {
    vec2 along = v_ends.zw - v_ends.xy;
    vec2 from_start = v_here - v_ends.xy;
    float share = clamp(dot(from_start, along) / max(dot(along, along), 1e-6), 0.0, 1.0);
    float radius = mix(v_radius.x, v_radius.y, share);
    float away = length(from_start - along * share);
    if (v_style.x > 0.0) {
        away = abs(away - radius + 0.5 * v_style.x);
        radius = 0.5 * v_style.x;
    }
    float fill = clamp(radius - away + 0.5, 0.0, 1.0);
    float edge = clamp(radius + v_style.y - away + 0.5, 0.0, 1.0) * step(0.01, v_style.y);
    float side = away / max(radius, 1.0);
    vec3 lit = v_color.rgb * (1.0 - v_style.z * side * side);
    float alpha = v_color.a * fill;
    float behind = u_outline.a * v_color.a * edge * (1.0 - fill);
    float total = alpha + behind;
    if (total < 0.004) discard;
    gl_FragColor = vec4((lit * alpha + u_outline.rgb * behind) / total, total);
}
"""

FACE_VERTEX = """
uniform mat4 u_matrix;
attribute vec3 a_position;
attribute vec4 a_color;
varying vec4 v_color;
void main() {
    v_color = a_color;
    gl_Position = u_matrix * vec4(a_position, 1.0);
}
"""

FACE_FRAGMENT = """
varying vec4 v_color;
void main() {
    gl_FragColor = v_color;
}
"""

SPRITE_VERTEX = """
uniform vec2 u_size;
attribute vec2 a_position;
attribute vec2 a_texcoord;
varying vec2 v_texcoord;
void main() {
    v_texcoord = a_texcoord;
    vec2 ndc = a_position / u_size * 2.0 - 1.0;
    gl_Position = vec4(ndc.x, -ndc.y, 0.0, 1.0);
}
"""

SPRITE_FRAGMENT = """
uniform sampler2D u_atlas;
varying vec2 v_texcoord;
void main() {
    gl_FragColor = texture2D(u_atlas, v_texcoord);
}
"""
