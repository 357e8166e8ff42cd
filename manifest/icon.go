package manifest

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
)

// rope is how a knot is drawn: the curve spans six units, whatever the size.
type rope struct {
	size  int     // pixels
	scale float64 // pixels of one unit
	half  float64 // half the thickness of the rope, in units
	gap   float64 // what the upper strand leaves free of the lower one
}

// point is a place on the knot's curve; z is its height.
type point struct{ x, y, z float64 }

// trefoil is the simplest knot there is, as n points of its closed curve.
func trefoil(n int) []point {
	curve := make([]point, n)
	for i := range curve {
		t := 2 * math.Pi * float64(i) / float64(n)
		curve[i] = point{math.Sin(t) + 2*math.Sin(2*t), 2*math.Cos(2*t) - math.Cos(t), -math.Sin(3 * t)}
	}
	return curve
}

// draw gives for each pixel how much of it the rope covers.
func (r rope) draw() *image.Alpha {
	const fine = 4 // samples of a pixel, along each side
	curve := trefoil(360)
	out := image.NewAlpha(image.Rect(0, 0, r.size, r.size))
	hits := make([]int, r.size*r.size)
	for line := range r.size * fine {
		y := r.unit(line, fine)
		var near []int // points of the curve that can matter to this line
		for i, p := range curve {
			if math.Abs(p.y-y) < r.half+r.gap {
				near = append(near, i)
			}
		}
		for column := range r.size * fine {
			if r.covers(curve, near, r.unit(column, fine), y) {
				hits[line/fine*r.size+column/fine]++
			}
		}
	}
	for i, n := range hits {
		out.Pix[i] = uint8(n * 255 / (fine * fine))
	}
	return out
}

// unit is where a sample lies, from the middle of the image.
func (r rope) unit(sample, fine int) float64 {
	return ((float64(sample)+0.5)/float64(fine) - float64(r.size)/2) / r.scale
}

// covers looks at the strands that pass by x, y and decides by the highest.
func (r rope) covers(curve []point, near []int, x, y float64) bool {
	away := func(i int) float64 {
		p := curve[(i+len(curve))%len(curve)]
		return (p.x-x)*(p.x-x) + (p.y-y)*(p.y-y)
	}
	reach := (r.half + r.gap) * (r.half + r.gap)
	top, covered := math.Inf(-1), false
	for _, i := range near {
		d := away(i)
		if d >= reach || d > away(i-1) || d >= away(i+1) || curve[i].z <= top {
			continue // not where the strand is closest, or below another
		}
		top, covered = curve[i].z, d < r.half*r.half
	}
	return covered
}

// colorIcon is 192×192, full colour, as Teams wants it.
func colorIcon() ([]byte, error) {
	ground, strand := color.NRGBA{0x1F, 0x3B, 0x57, 0xFF}, color.NRGBA{0xF6, 0xB2, 0x5B, 0xFF}
	shape := rope{size: 192, scale: 24, half: 0.46, gap: 0.2}.draw()
	out := image.NewNRGBA(shape.Rect)
	for i, a := range shape.Pix {
		mix := func(from, to uint8) uint8 { return uint8((int(from)*(255-int(a)) + int(to)*int(a)) / 255) }
		out.SetNRGBA(i%192, i/192, color.NRGBA{mix(ground.R, strand.R), mix(ground.G, strand.G), mix(ground.B, strand.B), 0xFF})
	}
	return encoded(out)
}

// outlineIcon is 32×32, white on nothing, as Teams wants it.
func outlineIcon() ([]byte, error) {
	shape := rope{size: 32, scale: 4.4, half: 0.4, gap: 0.3}.draw()
	out := image.NewNRGBA(shape.Rect)
	for i, a := range shape.Pix {
		out.SetNRGBA(i%32, i/32, color.NRGBA{0xFF, 0xFF, 0xFF, a})
	}
	return encoded(out)
}

func encoded(m image.Image) ([]byte, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return nil, fmt.Errorf("manifest: icon: %w", err)
	}
	return b.Bytes(), nil
}
